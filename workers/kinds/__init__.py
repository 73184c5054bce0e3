"""The built-in kinds on the worker's side, one module each: from a job's spec to the work and back to rows.

Each imports its work when a job comes, so that no process loads what it never runs.
"""

import functools
import importlib
import importlib.util
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType
from typing import Any, TypeVar

from jobyard.shared import kinds
from jobyard.shared.kinds.base import Kind, Queue
from jobyard.workers.runtime.attempt import Attempt, Made, Work

Coming = TypeVar("Coming")

# How often a job checks whether it should stop while its module is imported.
CHECK_SECONDS = 0.1


@functools.cache
def _importing(module: str) -> "Future[ModuleType]":
    """Imported in a thread: TensorFlow takes seconds, and a cancelled job doesn't wait for it."""
    return ThreadPoolExecutor(1, module).submit(importlib.import_module, module)


def work_of(kind: Kind[Any]) -> Work:
    """The kind's work, imported at its first job."""
    module, _, function = kind.work.partition(":")

    def work(attempt: Attempt, spec: Any) -> Made:
        made: Made = getattr(wait_for(_importing(module), attempt, kind.starting), function)(attempt, spec)
        return made

    return work


def missing_works(queue: Queue) -> list[str]:
    """A line for each kind of the queue whose work is not installed; only packages around it are imported."""
    problems = []
    for kind in kinds.every():
        if kind.queue != queue:
            continue
        module = kind.work.partition(":")[0]
        try:
            is_installed = importlib.util.find_spec(module) is not None
        except Exception:  # noqa: BLE001 - whatever a foreign package does, the others work
            is_installed = False
        if not is_installed:
            problems.append(f"jobs of the kind {kind.name!r} will fail: there is no module {module}")
    return problems


def wait_for(coming: "Future[Coming]", attempt: Attempt, phase: str | None) -> Coming:
    """The result of `coming`; meanwhile the job is in `phase`. Raises Interrupted if it is to stop."""
    if phase is not None and not coming.done():
        attempt.progress.phase(phase)
    while True:
        try:
            return coming.result(CHECK_SECONDS)
        except TimeoutError:
            attempt.progress.check(waiting=True)


class Works(dict[str, Work]):
    """The work of each kind by its name."""

    def __missing__(self, name: str) -> Work:
        self[name] = work_of(kinds.any_of(name))
        return self[name]


WORKS: dict[str, Work] = Works()
