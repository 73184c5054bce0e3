"""From a job's spec to the work and back to rows: one module per kind.

Each imports its work when a job comes, so that no process loads what it never runs.
"""

import functools
import importlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType
from typing import Any, TypeVar

from jobyard.workers.runtime.executor import Attempt, Finish, Split, Work

Coming = TypeVar("Coming")

# How often a job looks whether it should stop while its module is imported.
LOOK_SECONDS = 0.1


@functools.cache
def _importing(module: str) -> "Future[ModuleType]":
    """Imported in a thread: TensorFlow takes seconds, and a cancelled job doesn't wait for it."""
    return ThreadPoolExecutor(1, module).submit(importlib.import_module, module)


def _work(module: str, phase: str | None = None) -> Work:
    """The module's `work`, imported at its first job; `phase` says so where it takes long."""

    def work(attempt: Attempt, spec: Any) -> Finish | Split:
        made: Finish | Split = wait_for(_importing(module), attempt, phase).work(attempt, spec)
        return made

    return work


def wait_for(coming: "Future[Coming]", attempt: Attempt, phase: str | None) -> Coming:
    """What comes of it, unless the job is to stop before; `phase` says what it waits for, if it has to."""
    if phase is not None and not coming.done():
        attempt.report.phase(phase)
    while True:
        try:
            return coming.result(LOOK_SECONDS)
        except TimeoutError:
            attempt.report.check()


WORKS: dict[str, Work] = {
    "train": _work("jobyard.workers.kinds.train", "starting TensorFlow"),
    "predict": _work("jobyard.workers.kinds.predict", "starting TensorFlow"),
    "sentiment": _work("jobyard.workers.kinds.sentiment"),
    "import": _work("jobyard.workers.kinds.imports"),
}
