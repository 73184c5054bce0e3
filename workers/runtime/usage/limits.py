"""How much memory a process may hold."""

import functools
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

CGROUPS: Final = Path("/sys/fs/cgroup")
OWN_CGROUP: Final = Path("/proc/self/cgroup")


@functools.cache
def memory_limit() -> int:
    """Bytes after which the kernel ends this process or its like: of its control group, or of the machine."""
    machine = int(psutil.virtual_memory().total)
    return min([machine, *_limits_of_groups(CGROUPS, OWN_CGROUP)])


def _limits_of_groups(root: Path, own: Path) -> list[int]:
    """Those of the process's control group and of all that it is in; none where there are no such groups."""
    found: list[int] = []
    with suppress(OSError, ValueError):
        for line in own.read_text().splitlines():
            # `0::/path` in version 2, `7:memory:/path` in version 1
            _, controllers, path = line.split(":", 2)
            if not controllers:
                found += _limits_in(root, path, "memory.max")
            elif "memory" in controllers.split(","):
                found += _limits_in(root / "memory", path, "memory.limit_in_bytes")
    return found


def _limits_in(root: Path, path: str, name: str) -> list[int]:
    """In a container the path may be that on its host, and its own group the root."""
    own = root / path.lstrip("/")
    found: list[int] = []
    for folder in [own, *(parent for parent in own.parents if parent.is_relative_to(root))]:
        with suppress(OSError, ValueError):  # ValueError: `max`
            found.append(int((folder / name).read_text()))
    return found
