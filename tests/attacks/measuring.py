"""What an attack costs: the highest memory that a process needs meanwhile."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.acceptance.conftest import Stack

MIB = 1 << 20
# Written to /proc/PID/clear_refs, it resets VmHWM (man 5 proc).
RESET_PEAK = "5"


@dataclass
class Growth:
    """By how many bytes the process with the largest growth has grown at its peak; set at the end."""

    bytes: int = 0


@contextmanager
def growth(processes: Iterable[psutil.Process]) -> Iterator[Growth]:
    """Measure the growth of each of these processes, as the kernel sees it: short peaks count."""
    before = {}
    for process in processes:
        Path(f"/proc/{process.pid}/clear_refs").write_text(RESET_PEAK)
        before[process.pid] = _peak(process.pid)
    found = Growth()
    yield found
    found.bytes = max(_peak(pid) - peak for pid, peak in before.items())


def web(stack: Stack) -> list[psutil.Process]:
    """The processes of web: gunicorn's parent and its worker."""
    found = []
    for one in stack.family():
        with suppress(psutil.NoSuchProcess):  # another's child, which has just ended
            if "gunicorn" in " ".join(one.cmdline()):
                found.append(one)
    assert found
    return found


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid}: the kernel tells no VmHWM")
