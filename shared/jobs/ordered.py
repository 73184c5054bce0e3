"""Finding jobs in an order other than that of their ids, at the same cost however many there are.

Where a condition of the filter is met by few jobs, these are read and sorted. Otherwise jobs are looked at in
the order itself, from its index, as `finding` does: some at a time, and a page that is not full after a few
looks ends there. Jobs that ended at the same moment are sorted among themselves: those that one statement
moved, a batch of a change of many, or the parts of one job.
"""

import datetime
import time
import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.jobs import finding
from jobyard.shared.jobs.filters import JobFilter
from jobyard.shared.jobs.orders import STATES_OF, Order, OrderKey, check_order
from jobyard.shared.jobs.positions import QUEUED
from jobyard.shared.jobs.tables import JOBS
from jobyard.shared.kinds.base import Queue

# So many times the rows of a page are looked at first: more only if too few of them match.
FIRST_LOOK: Final = 4

_VALUES: Final = {Order.FINISHED: JOBS.c.finished_at, Order.PRIORITY: JOBS.c.priority}
# What conditions are checked on.
_CHECKED: Final = [JOBS.c[name] for name in ("id", "parent_id", "state", "kind", "created_by", "created_at")]
_FIRST: Final = datetime.datetime.min.replace(tzinfo=datetime.UTC)
_LAST: Final = datetime.datetime.max.replace(tzinfo=datetime.UTC)


class Listed(NamedTuple):
    """Ids of jobs in the order that was asked for; there may be more after `next` if it is not None."""

    ids: list[uuid.UUID]
    next: OrderKey | None


def find_in_order(
    session: Session,
    asked: JobFilter,
    order: Order = Order.NEWEST,
    *,
    parent: uuid.UUID | None = None,
    after: OrderKey | None = None,
    limit: int = 50,
    backwards: bool = False,
) -> Listed:
    """Jobs that the filter has, as `find`; `backwards` those before `after`, the nearest first.

    Raises BadInput for states or a parent that the order does not list.
    """
    check_order(order, asked, parent)
    states = STATES_OF[order]
    if states is None:
        found = finding.find(
            session,
            asked,
            parent=parent,
            after=None if after is None else after.id,
            limit=limit,
            oldest_first=(order == Order.OLDEST) != backwards,
        )
        return Listed(found.ids, None if found.next is None else OrderKey(None, found.next))
    if order == Order.PRIORITY:
        asked = asked.model_copy(update={"state": list(states)})
    looked_to = None
    few = finding.few(session, asked)
    if few is None:
        keys, looked_to = _walk(session, asked, order, after, limit, backwards)
    else:
        keys = _sorted(session, asked, order, few, after, backwards)
    shown = [key.id for key in keys[:limit]]
    return Listed(shown, keys[limit - 1] if len(keys) > limit else looked_to)


def _sorted(
    session: Session,
    asked: JobFilter,
    order: Order,
    few: sa.Select[Any],
    after: OrderKey | None,
    backwards: bool,
) -> list[OrderKey]:
    """Those of a few jobs that the filter and the order have, after `after`."""
    ids = few.subquery("few")
    # Looked up for each, as `finding` does.
    value = sa.select(_VALUES[order]).where(JOBS.c.id == ids.c.id, *finding.conditions(asked))
    rows = session.execute(sa.select(value.correlate(ids).scalar_subquery(), ids.c.id))
    ranks = [_rank(order, OrderKey._make(row)) for row in rows if row[0] is not None]
    falls = (order == Order.FINISHED) != backwards
    if after is not None:
        here = _rank(order, after)
        ranks = [rank for rank in ranks if (rank < here if falls else rank > here)]
    return [key for *_, key in sorted(ranks, reverse=falls)]


def _rank(order: Order, key: OrderKey) -> tuple[Any, int, OrderKey]:
    value: Any = key.value
    return (value if order == Order.FINISHED else -value, key.id.int, key)


def _walk(
    session: Session, asked: JobFilter, order: Order, after: OrderKey | None, limit: int, backwards: bool
) -> tuple[list[OrderKey], OrderKey | None]:
    """Up to one more than a page, and how far it was looked; None: to the end."""
    keys: list[OrderKey] = []
    until = time.monotonic() + finding.SECONDS
    size = min(FIRST_LOOK * (limit + 1), finding.LOOK)
    for _ in range(finding.LOOKS):
        began = time.monotonic()
        looked = _next(order, after, size, backwards).subquery("looked")
        ranked = _by(looked.c.value, looked.c.id, order, backwards)
        these = sa.select(looked.c.value, looked.c.id).order_by(*ranked)
        met = these.where(*finding.conditions(asked, looked)).limit(limit + 1 - len(keys))
        keys += map(OrderKey._make, session.execute(met))
        if len(keys) > limit:
            break
        last = session.execute(these.limit(1).offset(size - 1)).one_or_none()
        if last is None:
            return keys, None
        after, size = OrderKey._make(last), finding.LOOK
        if 2 * time.monotonic() - began > until:
            break
    return keys, after


def _next(order: Order, after: OrderKey | None, size: int, backwards: bool) -> sa.Select[Any]:
    """The next so many jobs in the order, children too: `value`, and what is checked."""
    if order == Order.FINISHED:
        return _part(_after_moment(after, backwards), order, size, backwards)
    each = [
        [JOBS.c.queue == queue.value, *where]
        for queue in Queue
        for where in _after_priority(after, backwards)
    ]
    parts = (sa.select(_part(where, order, size, backwards).subquery()) for where in each)
    merged = sa.union_all(*parts).subquery("merged")
    return sa.select(merged).order_by(*_by(merged.c.value, merged.c.id, order, backwards)).limit(size)


def _part(where: Sequence[Any], order: Order, size: int, backwards: bool) -> sa.Select[Any]:
    """The next of a range of the order's index."""
    value = _VALUES[order]
    found = sa.select(value.label("value"), *_CHECKED).where(*where)
    return found.order_by(*_by(value, JOBS.c.id, order, backwards)).limit(size)


def _by(value: Any, ids: Any, order: Order, backwards: bool) -> list[Any]:
    falls = [value.desc(), ids.desc() if order == Order.FINISHED else ids.asc()]
    rises = [value.asc(), ids.asc() if order == Order.FINISHED else ids.desc()]
    return rises if backwards else falls


def _after_moment(after: OrderKey | None, backwards: bool) -> list[Any]:
    """A range of the index of moments, which has no ids."""
    ended, ids = JOBS.c.finished_at, JOBS.c.id
    if after is None:
        return [ended >= _FIRST if backwards else ended <= _LAST]
    at = sa.literal(after.value, ended.type)
    if backwards:
        return [ended >= at, sa.or_(ended > at, ids > after.id)]
    return [ended <= at, sa.or_(ended < at, ids < after.id)]


def _after_priority(after: OrderKey | None, backwards: bool) -> list[list[Any]]:
    """Two ranges of a queue's index: of the same priority, and beyond it."""
    # Looked up, and so as unknown to the planner as how many there are: PostgreSQL would sort all queued jobs
    # of the queue where its statistics are of a time when there were few.
    waits = JOBS.c.state == sa.select(QUEUED).scalar_subquery()
    if after is None:
        return [[waits]]
    priority, ids = JOBS.c.priority, JOBS.c.id
    # Known: with one priority the order is that of ids, in which it might else pass all jobs there are.
    same = [JOBS.c.state == QUEUED, priority == after.value, ids < after.id if backwards else ids > after.id]
    return [same, [waits, priority > after.value if backwards else priority < after.value]]
