"""The short version of `make chaos`: random faults on the real stack, with PostgreSQL and Redis."""

import contextlib
import os
import subprocess
import sys

import psutil

SEED = 87
# Three minutes on two cores, with an outage of PostgreSQL; who only wants to test is spared two of them.
IN_CI = os.environ.get("CI") == "true"
FAULTS = 20 if IN_CI else 6
# Only to end a hang.
PATIENCE = 600


def test_random_faults_lose_and_double_nothing() -> None:
    line = [sys.executable, "-m", "tests.chaos", "--seed", str(SEED), "--faults", str(FAULTS)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        _end(process)
    assert process.returncode == 0, output
    assert f"{FAULTS} faults" in output
    for fault in ("empty database storage", "old dump storage"):
        assert fault in output, "other databases had the storage for a while"
    assert not IN_CI or "outage postgres" in output, "PostgreSQL was away for a while"


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
