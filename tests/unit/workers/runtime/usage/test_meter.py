"""The meter of an attempt: what it sees of memory and processors, when, and how much of it is kept."""

import subprocess
import sys

import pytest

from jobyard.workers.runtime.usage import Meter, Sample, meter

ALLOCATED = 256 * 1024**2
HOLD = f"held = bytearray(b'x') * {ALLOCATED}; print('held', flush=True); input()"


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def sampled(made: Meter, clock: Clock) -> Sample:
    clock.seconds += meter.SAMPLE_SECONDS
    found = made.look()
    assert found is not None
    return found


def run_alone(code: str) -> None:
    """In an interpreter that a small process starts: what one ever held counts as its child's, too."""
    command = '"$0" -c "$1"; exit $?'
    subprocess.run(["/bin/sh", "-c", command, sys.executable, code], check=True)


def test_memory_is_seen_of_the_process_and_of_those_that_it_started() -> None:
    """Alone: an interpreter of the tests has children of its own, which a meter counts, too."""
    code = f"""
import subprocess, sys
import psutil
from jobyard.workers.runtime.usage import Meter, meter
meter.SAMPLE_SECONDS = 0.0
made = Meter(None, 1)
before = psutil.Process().memory_info().rss
held = bytearray(b'x') * {ALLOCATED}
usage = made.look().usage
assert abs(usage['memory_bytes'] - before - {ALLOCATED}) < 0.05 * {ALLOCATED}, (before, usage)
del held
before = psutil.Process().memory_info().rss
command = [sys.executable, '-c', {HOLD!r}]
child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert child.stdout.readline() == 'held\\n'
usage = made.last().usage
child.communicate('\\n')
assert abs(usage['memory_bytes'] - before - {ALLOCATED}) < 0.1 * {ALLOCATED}, (before, usage)
assert usage['peak_memory_bytes'] >= usage['memory_bytes']
assert usage['memory_limit_bytes'] > 2 * {ALLOCATED}
"""
    run_alone(code)


def test_a_peak_between_two_samples_is_seen() -> None:
    code = f"""
from jobyard.workers.runtime.usage import Meter, meter
meter.SAMPLE_SECONDS = 0.0
made = Meter(None, 1)
held = bytearray(b'x') * {ALLOCATED}
del held
usage = made.look().usage
assert usage['peak_memory_bytes'] - usage['memory_bytes'] > 0.95 * {ALLOCATED}, usage
"""
    run_alone(code)


def test_memory_that_jumps_does_not_wait_for_its_turn() -> None:
    code = f"""
from jobyard.workers.runtime.usage import Meter
made = Meter(None, 1, now=lambda: 0.0)
assert made.look() is None
held = bytearray(b'x') * {2 * ALLOCATED}
found = made.look()
assert found.usage['memory_bytes'] > {2 * ALLOCATED} and found.points == (), found
"""
    run_alone(code)


def test_samples_that_take_long_are_taken_less_often(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """But the first one, which has to load what reads them, doesn't delay the second."""

    def slow() -> None:
        clock.seconds += 1.0

    monkeypatch.setattr(meter, "gpu_use", slow)
    made = Meter(None, 1, now=clock)
    assert [sampled(made, clock).usage["attempt"] for _ in range(2)] == [1, 1]
    clock.seconds += 0.9 * 1.0 / meter.MOST_OF_THE_TIME
    assert made.look() is None
    clock.seconds += 0.1 * 1.0 / meter.MOST_OF_THE_TIME
    assert made.look() is not None


def test_a_quick_job_has_no_sample(clock: Clock) -> None:
    made = Meter(None, 1, now=clock)
    clock.seconds += 0.99 * meter.SAMPLE_SECONDS
    assert (made.look(), made.last()) == (None, None)


def test_processor_time_is_that_of_this_attempt_and_of_those_before(clock: Clock) -> None:
    first = Meter(None, 1, now=clock)
    before = sampled(first, clock).usage["cpu_seconds"]
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    found = sampled(first, clock)
    assert found.usage["cpu_seconds"] - before >= 0.5
    points = {point.name: point.value for point in found.points}
    cores = (found.usage["cpu_seconds"] - before) / meter.SAMPLE_SECONDS
    assert points["system/cpu_cores"] == pytest.approx(cores, abs=0.01)

    second = sampled(Meter(found.usage, 2, now=clock), clock).usage
    assert second["attempt"] == 2
    assert second["cpu_seconds"] >= found.usage["cpu_seconds"]
    assert second["peak_memory_bytes"] >= found.usage["peak_memory_bytes"]


def test_points_come_less_often_the_longer_a_job_runs(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "POINTS_AT_ONE_PACE", 3)
    made = Meter(None, 1, now=clock)
    steps = [point.step for _ in range(24) for point in sampled(made, clock).points if "cpu" in point.name]
    assert steps == [5, 10, 15, 25, 35, 45, 65, 85, 105]
