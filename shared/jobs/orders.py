"""The orders in which jobs are listed, and where a page of one begins."""

import datetime
import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol, Self

from jobyard.shared.errors import BadInput
from jobyard.shared.jobs.filters import JobFilter
from jobyard.shared.jobs.states import TERMINAL, State

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND: Final = datetime.timedelta(microseconds=1)


class Order(StrEnum):
    """What is first in a list."""

    NEWEST = "newest"
    OLDEST = "oldest"
    # The job that ended last; of equal ones the newest.
    FINISHED = "finished"
    # The job of the highest priority, and of those the oldest: as a queue serves the jobs of one owner.
    PRIORITY = "priority"


# What is listed; None: all.
STATES_OF: Final[Mapping[Order, frozenset[State] | None]] = {
    Order.NEWEST: None,
    Order.OLDEST: None,
    Order.FINISHED: TERMINAL,
    Order.PRIORITY: frozenset({State.QUEUED}),
}


class _Listed(Protocol):
    """A job, or a snapshot of one."""

    @property
    def id(self) -> Any: ...
    @property
    def priority(self) -> Any: ...
    @property
    def finished_at(self) -> Any: ...


class OrderKey(NamedTuple):
    """What one job is sorted by: when it ended, or its priority, then its id; `value` is None by id alone."""

    value: datetime.datetime | int | None
    id: uuid.UUID

    @classmethod
    def of(cls, order: Order, job: _Listed) -> Self:
        """Of a job that the order lists."""
        values = {Order.FINISHED: job.finished_at, Order.PRIORITY: job.priority}
        return cls(values.get(order), job.id)

    @classmethod
    def read(cls, order: Order, cursor: str) -> Self:
        """What `str` has written. Raises BadInput for what is none, or that of another order."""
        value, _, job_id = cursor.rpartition(".")
        try:
            return cls(_read(order, value), uuid.UUID(job_id))
        except (ValueError, OverflowError):
            raise BadInput(
                "cursor", f"should be `next` of the page before, with the same sort ({order})"
            ) from None

    def __str__(self) -> str:
        if self.value is None:
            return str(self.id)
        value = self.value
        if isinstance(value, datetime.datetime):
            value = (value - _EPOCH) // _MICROSECOND
        return f"{value}.{self.id}"


def check_order(order: Order, asked: JobFilter, parent: uuid.UUID | None = None) -> None:
    """Raises BadInput where the order is not one of what is asked for."""
    states = STATES_OF[order]
    if states is None:
        return
    if not states.issuperset(asked.state):
        which = ", ".join(state for state in State if state in states)
        raise BadInput("sort", f"{order} lists jobs that are {which}: state should be of these, or left out")
    if parent is not None:
        raise BadInput("sort", f"{order} lists no parts of a job: should be newest or oldest with parent")


def _read(order: Order, value: str) -> datetime.datetime | int | None:
    """Raises ValueError and OverflowError."""
    if STATES_OF[order] is None:
        if value:
            raise ValueError
        return None
    if not value.isascii() or not value.isdecimal() or (order == Order.PRIORITY and len(value) > 1):
        raise ValueError
    return int(value) if order == Order.PRIORITY else _EPOCH + int(value) * _MICROSECOND
