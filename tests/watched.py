"""Examines foreign models in a process of its own, which records all that it does: `python -m tests.watched`.

It reads a list of tasks from standard input, and writes a list of what became of each to standard output.
"""

import json
import sys
from pathlib import Path
from typing import Any

from jobyard.shared.errors import WorkError
from jobyard.workers.networks.foreign.examination import examine
from jobyard.workers.networks.foreign.task import Task
from tests import foreign
from tests.recorder import Recorder, peak_bytes, reset_peak


def verdict(task: Task, recorder: Recorder) -> dict[str, Any]:
    """What the examination says, by how much memory grew at its peak, and what was done beside it."""
    reset_peak()
    before = peak_bytes()
    recorder.events, recorder.folder = [], str(Path(task.folder).parent)
    try:
        examine(task)
        message = "accepted"
    except WorkError as error:
        message = error.message
    finally:
        recorder.folder = None
    return {"message": message, "grown": peak_bytes() - before, "events": recorder.events}


def main() -> None:
    recorder = Recorder()
    tasks = [Task.of_json(one) for one in json.load(sys.stdin)]
    # What is loaded once is loaded now.
    for config in (None, b"\xff"):
        warm = Path(tasks[0].folder) / "warm.keras"
        warm.write_bytes(foreign.keras_file(config))
        verdict(Task(str(warm), "warm.keras", tasks[0].folder, ["a", "b"], None, None, 1 << 28), recorder)
    print(json.dumps([verdict(task, recorder) for task in tasks]))  # noqa: T201


if __name__ == "__main__":
    main()
