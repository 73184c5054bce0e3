"""The process that reads a foreign model: `python -m jobyard.workers.networks.foreign`, told a Task."""

import traceback
from pathlib import Path
from typing import Any

from jobyard.shared.archives.members import printable
from jobyard.shared.disk import is_full
from jobyard.shared.errors import WorkError
from jobyard.workers.networks.foreign import bounds
from jobyard.workers.networks.foreign.confinement import Confinement
from jobyard.workers.networks.foreign.examination import examine
from jobyard.workers.networks.foreign.task import Task
from jobyard.workers.runtime import child


def main() -> None:
    """Read the task, do it, write the answer."""
    task = Task.of_json(child.task())
    confinement = Confinement(
        Path(task.folder), seconds=task.seconds, file_bytes=task.unpacked_bytes + bounds.FILE_SLACK_BYTES
    )
    child.answer(_answer(task, confinement))


def _answer(task: Task, confinement: Confinement) -> dict[str, Any]:
    try:
        confinement.close(bounds.LIGHT_BYTES)
        examined = examine(task)
        confinement.open()
        from jobyard.workers.networks.foreign.assembly import assemble, warm_up

        warm_up()
        confinement.close(bounds.memory_of(examined.weights.bytes, examined.architecture.layers))
        return {"model": assemble(task, examined)}
    except WorkError as error:
        return {"error": error.message}
    except MemoryError:
        return {"error": "the file was refused: to read it takes more memory than its weights need"}
    except Exception as error:  # noqa: BLE001 - whatever Keras makes of the file, it is refused
        traceback.print_exc()
        if is_full(error):
            return {"is_full": True}
        lines = str(error).strip().splitlines() or ["no reason was given"]
        return {"error": f"Keras can't build the model: {type(error).__name__}: {printable(lines[0])}"}


if __name__ == "__main__":
    main()
