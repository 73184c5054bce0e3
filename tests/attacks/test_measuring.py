"""The measurement itself: what is allocated and freed again is seen."""

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.attacks.measuring import MIB, growth

TOLD = "while line := input(): bytearray(b'x') * int(line); print('done', flush=True)"


@pytest.fixture
def other() -> "Iterator[subprocess.Popen[str]]":
    """A process that does nothing but what it is told: to allocate so many bytes, and free them again."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", TOLD], stdin=pipe, stdout=pipe, text=True) as process:
        allocate(process, 1)
        yield process
        process.kill()


def allocate(process: "subprocess.Popen[str]", size: int) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{size}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def test_a_short_peak_is_seen(other: "subprocess.Popen[str]") -> None:
    with growth([psutil.Process(other.pid)]) as grown:
        allocate(other, 64 * MIB)
    assert grown.bytes > 60 * MIB


def test_nothing_allocated_is_nothing_grown(other: "subprocess.Popen[str]") -> None:
    with growth([psutil.Process(other.pid)]) as grown:
        allocate(other, 1)
    assert grown.bytes < 8 * MIB
