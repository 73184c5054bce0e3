"""A job's place in its queue, as SQL. Few entries of an index are read for it, however long the queue is."""

from collections.abc import Callable
from typing import Any, Final, cast

import sqlalchemy as sa

from jobyard.shared.database import utcnow
from jobyard.shared.jobs.quotas import quota_reached
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import JOBS
from jobyard.shared.queue_controls import QUEUES
from jobyard.shared.registrations import ALIVE_SECONDS, Worker

# Positions are counted up to here, so that a look takes as long in a queue of a million jobs as in one of
# a thousand; a job further back has the next number, whatever its place.
EXACT_POSITIONS: Final = 1_000
FAR_POSITION: Final = EXACT_POSITIONS + 1

_workers: Final = cast(sa.Table, Worker.__table__)
# Written into the statements: SQLAlchemy spends more time on a parameter than the database.
QUEUED: Final = sa.literal_column(f"'{State.QUEUED}'", sa.String)
_RUNNING: Final = sa.literal_column(f"'{State.RUNNING}'", sa.String)
_ONE: Final = sa.literal_column("1", sa.Integer)
_ALIVE_SINCE: Final = utcnow(sa.literal_column(f"{-ALIVE_SECONDS}", sa.Float))


def jobs_before(job: sa.FromClause, *, by_id: bool) -> sa.ScalarSelect[Any]:
    """How many jobs are queued before the `job` of the statement around it, at most `EXACT_POSITIONS`.

    It has a queue, a priority and, if `by_id`, an id; otherwise all of its priority are before it.
    """
    other = JOBS.alias()
    waiting = sa.select(_ONE.label("one")).where(other.c.state == QUEUED, other.c.queue == job.c.queue)
    higher = waiting.where(other.c.priority > job.c.priority).correlate(job)
    earlier = waiting.where(other.c.priority == job.c.priority).correlate(job)
    if by_id:
        earlier = earlier.where(other.c.id < job.c.id)
    # Two ranges of one index.
    before = higher.union_all(earlier).limit(sa.literal_column(str(EXACT_POSITIONS))).subquery()
    return sa.select(sa.func.count()).select_from(before).scalar_subquery()


def has_workers(job: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a worker of its queue is running, and not draining."""
    return sa.exists().where(
        _workers.c.queue == job.c.queue,
        _workers.c.seen_at > _ALIVE_SINCE,
        _workers.c.draining_since.is_(None),
    )


def pause_of_queue(job: sa.FromClause) -> sa.ScalarSelect[Any]:
    """Why its queue is paused, "" without a reason; NULL: it is not paused."""
    reason = sa.select(sa.func.coalesce(QUEUES.c.pause_reason, sa.literal_column("''", sa.String)))
    return reason.where(QUEUES.c.name == job.c.queue, QUEUES.c.paused_at.is_not(None)).scalar_subquery()


def limit_of_queue(job: sa.FromClause) -> sa.ScalarSelect[Any]:
    """The limit of its queue, if so many jobs of that run; else NULL."""
    at_work = JOBS.alias()
    count = sa.select(sa.func.count()).where(at_work.c.state == _RUNNING, at_work.c.queue == QUEUES.c.name)
    # Databases count only where there is a limit.
    is_reached = sa.case(
        (
            QUEUES.c.running_limit.is_not(None),
            QUEUES.c.running_limit <= count.correlate(QUEUES).scalar_subquery(),
        ),
        else_=sa.false(),
    )
    return sa.select(QUEUES.c.running_limit).where(QUEUES.c.name == job.c.queue, is_reached).scalar_subquery()


# What keeps the `job` of the statement around it, beside those before it; NULL of what doesn't. The names are
# those of snapshots.
HOLDS: Final[dict[str, Callable[[sa.FromClause], sa.ColumnElement[Any]]]] = {
    "has_workers": has_workers,
    "queue_pause": pause_of_queue,
    "queue_limit": limit_of_queue,
    "owner_quota": lambda job: quota_reached(job.c.created_by),
}
