"""Resident memory of idle processes: `make bench-idle`.

Starts the whole stack, lets it settle, and prints each process. Exits with 1 if a process of web or
of the cpu worker has more than GOAL_MB.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

GOAL_MB = 130
SETTLE_SECONDS = 12
ROLES = {
    "jobyard.web.gunicorn": "web",
    "jobyard.workers cpu": "cpu",
    "jobyard.workers gpu": "gpu",
    "jobyard.workers predict": "predict",
}
ROLES |= {"jobyard.workers sweeper": "sweeper", "jobyard.workers flower": "flower"}
ROLES |= {"valkey-server": "redis", "redis-server": "redis"}


def main() -> int:
    """Print the table; 0 if the goal is met."""
    with tempfile.TemporaryDirectory(prefix="jy-") as home:
        environment = os.environ | {"JOBYARD_HOME": home, "JOBYARD_PORT": "0", "JOBYARD_FLOWER_PORT": "0"}
        up = subprocess.Popen(
            [sys.executable, "-m", "jobyard.cli", "up"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until_ready(Path(home))
            time.sleep(SETTLE_SECONDS)
            rows = measure(up.pid)
        finally:
            up.terminate()
            up.wait()
    print(f"{'process':<10}{'pid':>9}{'RSS MB':>9}")
    for role, pid, megabytes in rows:
        print(f"{role:<10}{pid:>9}{megabytes:>9.1f}")
    over = [row for row in rows if row[0] in ("web", "cpu") and row[2] > GOAL_MB]
    print(f"goal: web and cpu at most {GOAL_MB} MB each: {'missed' if over else 'met'}")
    return 1 if over else 0


def wait_until_ready(home: Path) -> None:
    """Until web answers. Raises TimeoutError."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get((home / "url").read_text().strip() + "/readyz").raise_for_status()
            return
        except (OSError, httpx.HTTPError):
            time.sleep(0.3)
    raise TimeoutError("the stack did not come up")


def measure(root: int) -> list[tuple[str, int, float]]:
    """(role, pid, resident MB) of each process below `root`; a child has its parent's role."""
    rows = []
    for process in psutil.Process(root).children(recursive=True):
        role = next((role for line in lineage(process) for text, role in ROLES.items() if text in line), None)
        if role:
            rows.append((role, process.pid, process.memory_info().rss / 2**20))
    return sorted(rows)


def lineage(process: psutil.Process) -> list[str]:
    """Command lines of a process and of those above it."""
    return [" ".join(one.cmdline()) for one in [process, *process.parents()]]


if __name__ == "__main__":
    sys.exit(main())
