"""The budget of memory: how many pictures are decoded at once, and in which order."""

import threading
from contextlib import ExitStack

import pytest

from jobyard.shared.errors import Busy
from jobyard.shared.pictures import Budget, Header, NotAPicture, cost
from tests.waiting import PATIENCE, wait_for


def test_what_fits_is_held_together_and_is_there_again_afterwards() -> None:
    budget = Budget(100, wait=0)
    for _ in range(3):
        with budget.hold(60), budget.hold(40), pytest.raises(Busy), budget.hold(1):
            pass


def test_one_that_needs_more_than_all_is_alone() -> None:
    budget = Budget(100, wait=0)
    with budget.hold(1_000), pytest.raises(Busy), budget.hold(1):
        pass
    with budget.hold(1), pytest.raises(Busy), budget.hold(1_000):
        pass


def test_one_that_needs_more_than_all_is_refused_where_it_may_not_be_alone() -> None:
    budget = Budget(100, alone=False)
    with (
        pytest.raises(NotAPicture, match="decoding takes 101 bytes, should take at most 100"),
        budget.hold(101),
    ):
        pass
    with budget.hold(100):
        pass


def test_the_first_that_waits_is_the_first_that_is_let_in_however_small_the_others_are() -> None:
    budget = Budget(100)
    order: list[int] = []

    def decode(size: int) -> None:
        with budget.hold(size):
            order.append(size)

    with ExitStack() as stack:
        stack.enter_context(budget.hold(50))
        threads = [threading.Thread(target=decode, args=[size]) for size in (90, 10, 20)]
        for count, thread in enumerate(threads, 1):
            thread.start()
            wait_for(lambda count=count: len(budget._queue) == count)
        assert order == []  # 10 would fit, but 90 would wait for ever
    for thread in threads:
        thread.join()
    assert order == [90, 10, 20]


def test_only_so_many_wait() -> None:
    budget = Budget(100, wait=PATIENCE, waiting=1)
    let_in: list[int] = []

    def decode() -> None:
        with budget.hold(10):
            let_in.append(10)

    waiter = threading.Thread(target=decode)
    with budget.hold(100):
        waiter.start()
        wait_for(lambda: len(budget._queue) == 1)
        with pytest.raises(Busy, match="try again soon"), budget.hold(10):
            pass
    waiter.join()
    assert let_in == [10]


def test_one_that_gave_up_is_in_nobodys_way() -> None:
    budget = Budget(100, wait=0.01, waiting=1)
    with budget.hold(100), pytest.raises(Busy), budget.hold(10):
        pass
    with budget.hold(100):
        pass


def test_a_jpeg_that_is_made_smaller_while_it_is_decoded_costs_less_unless_it_is_in_scans() -> None:
    photograph = Header("JPEG", "JPEG", 6_000, 4_000)
    assert cost(photograph, 0, scale=8) < cost(photograph, 0) / 20
    progressive = photograph._replace(variant="JPEG in scans")
    assert cost(progressive, 0, scale=8) > cost(progressive, 0) / 4
