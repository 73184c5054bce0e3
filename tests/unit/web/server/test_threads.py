"""The threads that handle requests: one after another, and beside each other only where one is held up."""

import threading
from collections.abc import Iterator

import pytest

from jobyard.web.server.threads import SHORT_SECONDS, Threads
from tests.waiting import wait_for

COUNT = 4


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads(COUNT)
    yield made
    made.shutdown()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a long call waits for; open at the end."""
    made = threading.Event()
    yield made
    made.set()


def test_short_calls_are_handled_by_one_thread_in_their_order(
    threads: Threads, gate: threading.Event
) -> None:
    handled: list[tuple[int, int]] = []
    threads.in_turn(gate.wait)
    for number in range(100):
        threads.in_turn(lambda number=number: handled.append((number, threading.get_ident())))
    gate.set()
    wait_for(lambda: len(handled) == 100)
    assert [number for number, _ in handled] == list(range(100))
    assert len({thread for _, thread in handled}) == 1


def test_what_waits_for_a_long_call_goes_to_other_threads(threads: Threads, gate: threading.Event) -> None:
    handled: list[int] = []
    together = threading.Barrier(COUNT)
    threads.in_turn(gate.wait)
    for _ in range(COUNT - 1):
        threads.in_turn(together.wait)  # which no thread alone would come through
    assert threads.has_waiting
    wait_until_relieved(threads)
    together.wait(timeout=60)
    threads.in_turn(handled.append, 1)  # and so does what comes later
    wait_for(lambda: handled == [1])


def test_one_that_waits_for_a_long_call_has_the_next_turn(threads: Threads, gate: threading.Event) -> None:
    handled: list[str] = []
    threads.in_turn(gate.wait)
    threads.in_turn(handled.append, "beside it")
    wait_until_relieved(threads)
    wait_for(lambda: handled == ["beside it"])
    gate.set()
    threads.in_turn(handled.append, "after it")
    wait_for(lambda: handled == ["beside it", "after it"])


def test_while_all_threads_are_held_up_nothing_is_asked_for_twice(
    threads: Threads, gate: threading.Event
) -> None:
    handled: list[int] = []
    for _ in range(COUNT):
        threads.in_turn(gate.wait)
        wait_until_relieved(threads)
    for number in range(10):
        threads.in_turn(handled.append, number)
        threads.relieve()
    assert threads._pool._work_queue.qsize() == 1
    gate.set()
    wait_for(lambda: len(handled) == 10)
    assert handled == sorted(handled)


def test_a_call_at_once_waits_for_none(threads: Threads, gate: threading.Event) -> None:
    handled: list[int] = []
    threads.in_turn(gate.wait)
    threads.at_once(handled.append, 1)
    wait_for(lambda: handled == [1])


def test_a_call_that_fails_ends_no_thread(threads: Threads, caplog: pytest.LogCaptureFixture) -> None:
    handled: list[int] = []

    def fail() -> None:
        raise SystemExit("a request failed")

    for number in range(2 * COUNT):
        threads.in_turn(fail)
        threads.at_once(fail)
        threads.in_turn(handled.append, number)
    wait_for(lambda: len(handled) == 2 * COUNT)
    wait_for(lambda: len(caplog.records) == 4 * COUNT)


def wait_until_relieved(threads: Threads) -> None:
    """As the loop does, until nothing waits any more."""

    def look() -> bool:
        threading.Event().wait(SHORT_SECONDS)
        threads.relieve()
        return not threads._waiting

    wait_for(look)
