"""The process that exports a model: loads it, converts it, runs the file and compares."""

from functools import partial
from pathlib import Path
from typing import Any

from jobyard.workers.exports.reasons import cause
from jobyard.workers.exports.task import Task
from jobyard.workers.runtime import child


def main() -> None:
    """Answers what is known of the file."""
    task = Task.of_json(child.task())
    child.answer_of(partial(_facts, task), cause=cause, no_memory="there was not enough memory")


def _facts(task: Task) -> dict[str, Any]:
    # TensorFlow, only now that this process ends with the worker.
    from jobyard.workers.exports.conversion import export
    from jobyard.workers.networks import model_file

    network = model_file.load(Path(task.source), task.sha256, task.classes, task.image_size)
    return export(network, task)


if __name__ == "__main__":
    main()
