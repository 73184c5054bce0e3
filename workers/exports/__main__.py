"""The process that exports a model: loads it, converts it, runs the file and compares."""

import traceback
from pathlib import Path
from typing import Any

from jobyard.shared.disk import is_full
from jobyard.shared.errors import WorkError
from jobyard.workers.exports.task import Task
from jobyard.workers.runtime import child


def main() -> None:
    """Answers {"facts"}, {"error": the reason} or {"is_full"}."""
    child.answer(_answer(Task.of_json(child.task())))


def _answer(task: Task) -> dict[str, Any]:
    # TensorFlow, only now that this process ends with the worker.
    from jobyard.workers.exports.conversion import export
    from jobyard.workers.exports.reasons import cause
    from jobyard.workers.networks import model_file

    try:
        network = model_file.load(Path(task.source), task.sha256, task.classes, task.image_size)
        return {"facts": export(network, task)}
    except WorkError as error:
        return {"error": error.message}
    except MemoryError:
        return {"error": "there was not enough memory"}
    except Exception as error:  # noqa: BLE001 - whatever a converter raises, the job says why
        traceback.print_exc()
        return {"is_full": True} if is_full(error) else {"error": cause(error)}


if __name__ == "__main__":
    main()
