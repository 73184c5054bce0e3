"""The short version of `make chaos`: faults on the real stack of PostgreSQL and a pair of Redis."""

import contextlib
import subprocess
import sys

import psutil

# One of each sort: of what does the work, of what carries messages, of the database, and of another
# database that has the storage for a while.
FAULTS = (
    "kill gpu child",
    "freeze cpu",
    "failover redis",
    "replace redis",
    "restart immediate postgres",
    "promote postgres",
    "old dump storage",
)
# Only to end a hang.
PATIENCE = 600


def test_faults_lose_and_double_nothing() -> None:
    line = [
        *(sys.executable, "-m", "tests.chaos", "--kinds", ",".join(FAULTS), "--faults", str(len(FAULTS))),
        *("--seed", "87", "--store", "folder", "--short"),
    ]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        _end(process)
    assert process.returncode == 0, output
    assert f"{len(FAULTS)} faults" in output
    assert all(fault in output for fault in FAULTS)


def _end(process: "subprocess.Popen[str]") -> None:
    """It ends what it has started when it is asked to; what does not end with it is killed by its id."""
    if process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=180)
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
        process.kill()
        process.communicate()
