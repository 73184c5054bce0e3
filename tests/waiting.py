"""Waiting for what other threads and processes do, and threads that begin together."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

# Only to end a hang.
PATIENCE = 180.0

T = TypeVar("T")


def wait_for(condition: Callable[[], object]) -> None:
    """Look again and again until it is so."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, f"not within {PATIENCE:g} s"
        time.sleep(0.01)


def at_once(count: int, do: Callable[[int], T]) -> list[T]:
    """What `do` returns for each number, in so many threads that begin together."""
    barrier = Barrier(count)

    def one(number: int) -> T:
        barrier.wait(PATIENCE)
        return do(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def all_at_once(*works: Callable[[], T]) -> list[T]:
    """The same for works that are not alike."""
    return at_once(len(works), lambda number: works[number]())
