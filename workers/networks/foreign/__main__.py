"""The process that reads a foreign model: `python -m jobyard.workers.networks.foreign`, told a Task."""

from functools import partial
from pathlib import Path
from typing import Any

from jobyard.shared.archives.members import printable
from jobyard.workers.networks.foreign import bounds
from jobyard.workers.networks.foreign.confinement import Confinement
from jobyard.workers.networks.foreign.examination import examine
from jobyard.workers.networks.foreign.task import Task
from jobyard.workers.runtime import child


def main() -> None:
    """Read the task, do it, answer what the registry should know of the model."""
    task = Task.of_json(child.task())
    confinement = Confinement(
        Path(task.folder), seconds=task.seconds, file_bytes=task.unpacked_bytes + bounds.FILE_SLACK_BYTES
    )
    child.answer_of(
        partial(_model, task, confinement),
        cause=_cause,
        no_memory="the file was refused: to read it takes more memory than its weights need",
    )


def _model(task: Task, confinement: Confinement) -> dict[str, Any]:
    confinement.close(bounds.LIGHT_BYTES)
    examined = examine(task)
    confinement.open()
    from jobyard.workers.networks.foreign.assembly import assemble, warm_up

    warm_up()
    confinement.close(bounds.memory_of(examined.weights.bytes, examined.architecture.layers))
    return assemble(task, examined)


def _cause(error: Exception) -> str:
    """Whatever Keras makes of the file, it is refused."""
    lines = str(error).strip().splitlines() or ["no reason was given"]
    return f"Keras can't build the model: {type(error).__name__}: {printable(lines[0])}"


if __name__ == "__main__":
    main()
