"""Which process this is, in a text that no other one has, and whether another of this machine still runs."""

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

# In /proc/PID/stat, after the name in parentheses: the state, and when the process started, in ticks since
# the machine did.
STATE, STARTED = 0, 19
ENDED = frozenset("ZX")


def this_process() -> str:
    """`MACHINE/PID/START`: ids of processes come again, after a restart of a container at once."""
    pid = os.getpid()
    return f"{_machine()}/{pid}/{_start(pid) or ''}"


def has_ended(process: str) -> bool | None:
    """Whether a process that `this_process` has named has ended; None: it is not on this machine."""
    machine, pid, start = process.rsplit("/", 2)
    return None if machine != _machine() else _start(int(pid)) != start


def _machine() -> str:
    """A container is a machine of its own: it doesn't see the processes of others."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
    return socket.gethostname()


def _start(pid: int) -> str | None:
    """When a process of this machine started, "" where the system does not say; None: there is none."""
    if not sys.platform.startswith("linux"):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return ""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[STATE] in ENDED else fields[STARTED]
