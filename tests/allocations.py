"""How much memory this process asks for at once."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Peak:
    """The most that was allocated at one time, in bytes; set at the end."""

    bytes: int = 0


@contextmanager
def allocated() -> Iterator[Peak]:
    """Measure what is allocated inside."""
    peak = Peak()
    tracemalloc.start()
    try:
        yield peak
        peak.bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
