"""Failed logins: bounded for each address and for all, and so is the memory that they take."""

import pytest

from jobyard.shared import login_failures
from jobyard.shared.login_failures import (
    ALL_FAILURES,
    FAILURES,
    MAX_ADDRESSES,
    SECONDS_PER_ANY_FAILURE,
    SECONDS_PER_FAILURE,
    LoginFailures,
    network,
)


class Clock:
    """A monotonic clock that stands still."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(login_failures, "time", clock)
    return clock


def test_failures_are_forgotten_one_by_one(clock: Clock) -> None:
    failures = LoginFailures()
    for _ in range(FAILURES):
        assert failures.wait("a") == 0
        failures.add("a")
    assert failures.wait("a") == pytest.approx(SECONDS_PER_FAILURE)
    assert failures.wait("b") == 0
    clock.now += SECONDS_PER_FAILURE
    assert failures.wait("a") == 0
    failures.add("a")
    assert failures.wait("a") == pytest.approx(SECONDS_PER_FAILURE)


def test_many_addresses_have_one_failure_each_and_keep_nobody_out(clock: Clock) -> None:
    failures = LoginFailures()
    for number in range(ALL_FAILURES):
        failures.add(f"10.0.0.{number}")
    assert failures.wait("10.0.0.7") == pytest.approx(SECONDS_PER_FAILURE)
    assert failures.wait("192.168.0.1") == 0
    clock.now += SECONDS_PER_ANY_FAILURE
    assert failures.wait("10.0.0.7") == 0


def test_addresses_without_number_take_no_memory() -> None:
    failures = LoginFailures()
    for number in range(3 * MAX_ADDRESSES):
        failures.add(str(number))
    assert len(failures._until) == MAX_ADDRESSES


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_a_host_with_many_addresses_is_one(address: str, expected: str) -> None:
    assert network(address) == expected
