"""Limits of the process that reads a foreign model: memory, time, what it may write and start.

The kernel keeps memory (on Linux), time and files; a thread keeps memory where the kernel does not. Python's
audit events end what such a file has no reason to cause: sockets, programs, pickles, and files that are
written elsewhere than in the process's folder.
"""

import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from jobyard.shared.errors import WorkError

# How the process ends where a thread has to end it.
TOO_MUCH_MEMORY: Final = 81

WATCH_SECONDS: Final = 0.1

# Sizes of this process in pages, on Linux (man 5 proc_pid_statm).
STATM: Final = Path("/proc/self/statm")

# The beginnings of events that are refused.
FORBIDDEN: Final = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.system",
    "pickle.",
    "pty.",
    "urllib.",
)
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Confinement:
    """Of this process, for good. It may use its memory and `folder` for so many `seconds`."""

    def __init__(self, folder: Path, *, seconds: float, file_bytes: int) -> None:
        self._folder = str(folder.resolve())
        self._most = sys.maxsize
        self._is_closed = False
        # The default action of each of these ends the process wherever it is, also within a library.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        _limit(resource.RLIMIT_FSIZE, file_bytes)
        sys.addaudithook(self._audit)
        threading.Thread(target=self._watch, name="confinement", daemon=True).start()

    def close(self, more_bytes: int) -> None:
        """From now on this process may have so much more memory than it has, and events are looked at."""
        self._most = _resident_bytes() + more_bytes
        if sys.platform == "linux":
            # What RLIMIT_DATA counts: all that is private and written to.
            pages = int(STATM.read_bytes().split()[5])
            data = pages * resource.getpagesize() + more_bytes
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (data, hard))
        self._is_closed = True

    def open(self) -> None:
        """No limit of memory, and no look at events, while this process imports what it needs."""
        self._is_closed = False
        self._most = sys.maxsize
        if sys.platform == "linux":
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_closed:
            return
        if event == "open":
            path, _, flags = arguments
            if flags & WRITING and not self._is_mine(path):
                raise WorkError(f"the file tried to write {str(path)[:200]!r}; it is made to do harm")
        elif event.startswith(FORBIDDEN):
            raise WorkError(f"the file tried to cause {event!r}; it is made to do harm")

    def _is_mine(self, path: Any) -> bool:
        if isinstance(path, int):  # which was opened before
            return True
        found = os.path.realpath(os.fsdecode(path))
        return found == os.devnull or found.startswith(f"{self._folder}{os.sep}")

    def _watch(self) -> None:
        while True:
            if _resident_bytes() > self._most:
                os._exit(TOO_MUCH_MEMORY)
            time.sleep(WATCH_SECONDS)


def _resident_bytes() -> int:
    """What this process holds; where the system has no `/proc`, the most that it held at once."""
    try:
        return int(STATM.read_bytes().split()[1]) * resource.getpagesize()
    except OSError:
        # In bytes on macOS. On Linux it may be what the process held that started this one.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _limit(what: int, most: int) -> None:
    """For good; a lower limit of the user's own stays."""
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))
