"""Whose turn it is in a queue: with equal priority, the owner's who has the fewest jobs running there.

An owner is the token that submitted a job. Jobs of one owner are in the order of their ids.
"""

from typing import Any, Final

import sqlalchemy as sa

from jobyard.shared.database import utcnow
from jobyard.shared.jobs.quotas import owners_at_quota
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import JOBS
from jobyard.shared.jobs.transitions import NO_SECONDS, ONE

# Of the job that this process claimed last in the queue; "" comes before all names.
LAST_OWNER: Final = "last_owner"

_QUEUE: Final = sa.bindparam("from_queue", type_=JOBS.c.queue.type)
_LAST: Final = sa.bindparam(LAST_OWNER, type_=JOBS.c.created_by.type)


def _is(state: State) -> sa.ColumnElement[str]:
    # A parameter would not fit the condition of an index.
    return sa.literal_column(f"'{state}'", sa.String)


def _waiting(*columns: str) -> tuple[sa.Select[Any], Any]:
    """Columns of the queued jobs of the queue, without an order, and the table that they are of."""
    each = JOBS.alias()
    found = sa.select(*(each.c[name] for name in columns))
    found = found.where(each.c.state == _is(State.QUEUED), each.c.queue == _QUEUE)
    return found, each


def _of_owner(found: sa.Select[Any], each: Any, owner: Any) -> sa.Select[Any]:
    """Of one owner, by priority, then age."""
    # Not `=`: SQLite would look through the whole queue for the owner.
    return found.where(each.c.created_by >= owner, each.c.created_by <= owner).order_by(
        each.c.created_by, each.c.priority.desc(), each.c.id
    )


def others_wait() -> sa.ColumnElement[bool]:
    """Whether another owner than the last one has jobs in the queue: two looks into an index."""
    before, each = _waiting("created_by")
    after, every = _waiting("created_by")
    # Not EXISTS: for the smallest PostgreSQL takes the index of owners, even if its statistics are old.
    return sa.or_(
        before.where(each.c.created_by < _LAST)
        .with_only_columns(sa.func.min(each.c.created_by))
        .scalar_subquery()
        .is_not(None),
        after.where(every.c.created_by > _LAST)
        .with_only_columns(sa.func.min(every.c.created_by))
        .scalar_subquery()
        .is_not(None),
    )


def owners_waiting() -> sa.CTE:
    """The owners of the jobs that are queued, a row for each, by a look into an index; the last is NULL."""
    # PostgreSQL and SQLite would read all queued jobs for their distinct owners.
    smallest, each = _waiting("created_by")
    smallest = smallest.order_by(each.c.created_by).limit(ONE)
    owners = sa.select(smallest.scalar_subquery().label("owner")).cte("owners", recursive=True)
    larger, each = _waiting("created_by")
    larger = larger.where(each.c.created_by > owners.c.owner).order_by(each.c.created_by).limit(ONE)
    return owners.union_all(
        sa.select(larger.correlate(owners).scalar_subquery()).where(owners.c.owner.is_not(None))
    )


def ready_of(owner: sa.ColumnElement[str], seconds: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """The ids of the jobs of an owner in the queue that are ready, then or so many seconds ago, in order."""
    found, each = _waiting("id")
    found = _of_owner(found.where(each.c.available_at <= utcnow(seconds)), each, owner)
    return found.correlate_except(each)


def _owner_in_turn(*, within_quotas: bool) -> sa.ScalarSelect[str]:
    """Of the owners with jobs that are ready: by the best priority, then by the fewest jobs that run, then
    one after the other by name, from the last one on. `within_quotas`: of those who may have more running.
    """
    owners = owners_waiting()
    first = ready_of(owners.c.owner, NO_SECONDS).limit(ONE)
    firsts = sa.select(owners.c.owner, first.scalar_subquery().label("id")).cte("firsts")

    at_work = JOBS.alias()
    counts = sa.select(at_work.c.created_by, sa.func.count().label("count"))
    running = _is(State.RUNNING)
    # Not `=`: with statistics of a time when all jobs waited SQLite would read all of them.
    counts = counts.where(at_work.c.state.between(running, running), at_work.c.queue == _QUEUE)
    at_work_of = counts.group_by(at_work.c.created_by).cte("running")

    best = JOBS.alias()
    # Not a join, for which SQLite would read all jobs and look each up among these.
    priority = sa.select(best.c.priority).where(best.c.id == firsts.c.id).correlate(firsts).scalar_subquery()
    found = sa.select(firsts.c.owner).select_from(
        firsts.outerjoin(at_work_of, at_work_of.c.created_by == firsts.c.owner)
    )
    found = found.where(firsts.c.id.is_not(None))
    if within_quotas:
        found = found.where(firsts.c.owner.not_in(owners_at_quota()))
    found = found.order_by(
        priority.desc(),
        sa.func.coalesce(at_work_of.c.count, 0),
        sa.case((firsts.c.owner > _LAST, 0), else_=1),
        firsts.c.owner,
    )
    # Read twice, and found out once.
    return sa.select(found.limit(ONE).cte("turn").c.owner).scalar_subquery()


def in_turn(ready: sa.Select[Any], *, within_quotas: bool = False) -> sa.Select[Any]:
    """Of ready jobs of a queue those of the owner whose turn it is, in order."""
    return _of_owner(ready, JOBS, _owner_in_turn(within_quotas=within_quotas))
