"""A package of one kind whose work hangs, as a worker process finds it: a folder for PYTHONPATH."""

from pathlib import Path

METADATA = "Metadata-Version: 2.1\nName: jobyard-hanging\nVersion: 1.0\n"
ENTRY_POINTS = "[jobyard.kinds]\nhang = hanging_kind:Hang\n"
KIND = """
from typing import Literal

from jobyard.shared.kinds import Kind, Queue, Spec


class HangSpec(Spec):
    how: Literal["asleep", "locked", "waiting", "not"]


class Hang(Kind[HangSpec]):
    name = "hang"
    queue = Queue.CPU
    Spec = HangSpec
    work = "hanging_kind_work:work"
    label = action = "Hang"
    stall_seconds = 1.0

    def inputs(self, spec):
        return {}

    def references(self, spec):
        return []
"""
WORK = '''
import ctypes
import time


def work(attempt, spec):
    """Hangs in its first attempt, and does nothing in the next one."""
    attempt.progress.phase("beginning")
    attempt.progress.update(1, 2, "steps")
    if attempt.claim.attempt == 1 and spec.how != "not":
        hang(attempt, spec.how)
    attempt.progress.update(2, 2, "steps")
    return {"attempt": attempt.claim.attempt}


def hang(attempt, how):
    if how == "asleep":
        time.sleep(600)
    elif how == "locked":
        ctypes.PyDLL(None).sleep(600)  # which keeps the interpreter's lock
    else:
        while True:  # as for a process that never answers
            attempt.progress.check(waiting=True)
            time.sleep(0.05)
'''


def write_package(folder: Path) -> Path:
    """The folder."""
    info = folder / "jobyard_hanging-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "hanging_kind.py").write_text(KIND)
    (folder / "hanging_kind_work.py").write_text(WORK)
    return folder
