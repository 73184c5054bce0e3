"""Health checks of the containers, which have no curl: exit code 0 means healthy.

    python docker/healthy.py http URL       the address answers with 2xx
    python docker/healthy.py process PORT   the process works, and is connected to something's PORT

A worker answers no requests, and asking it over the broker takes a second of CPU time and leaves keys
in Redis. So this looks at it from outside: the main thread of Celery's parent and of the sweeper wakes
every few seconds, which the kernel counts.
"""

import sys
import time
import urllib.request
from pathlib import Path

PROC = Path("/proc")
SECONDS = 6.0
ESTABLISHED = "01"


def main_process() -> int | None:
    """The oldest process that runs `python -m jobyard.workers`; a pool's children are younger."""
    for pid in sorted(int(path.name) for path in PROC.iterdir() if path.name.isdecimal()):
        try:
            command = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if command[1:3] == [b"-m", b"jobyard.workers"]:
            return pid
    return None


def wakes(pid: int) -> int:
    """How often the main thread has gone to sleep and woken up."""
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    return 0


def is_awake(pid: int, seconds: float = SECONDS) -> bool:
    """Whether the main thread wakes within so long."""
    before = wakes(pid)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)
        if wakes(pid) > before:
            return True
    return False


def is_connected(port: int) -> bool:
    """Whether anything in this container has a connection to that port elsewhere."""
    for table in (PROC / "net/tcp", PROC / "net/tcp6"):
        for line in table.read_text().splitlines()[1:]:
            _, _, remote, state = line.split()[:4]
            if state == ESTABLISHED and int(remote.rpartition(":")[2], 16) == port:
                return True
    return False


def answers(url: str) -> bool:
    """Whether the address answers with 2xx. Raises OSError where it doesn't."""
    # Docker hands its own proxy settings to containers, and no proxy reaches into this one.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=5) as response:
        return bool(200 <= response.status < 300)


def main(kind: str, argument: str) -> int:
    """0 for healthy, 1 for not, with a line that `docker inspect` shows."""
    try:
        if kind == "http":
            healthy = answers(argument)
        else:
            pid = main_process()
            healthy = pid is not None and is_connected(int(argument)) and is_awake(pid)
    except OSError as error:
        print(error)  # noqa: T201 - for docker inspect
        return 1
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
