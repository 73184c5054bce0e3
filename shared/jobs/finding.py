"""Finding jobs by a filter, page by page, so that a page costs the same however many jobs there are.

Jobs are looked at in the order of their ids, from the index of what the fewest of them have: a word, a
label, a state or a kind. Other conditions are checked on LOOK of those at a time. A page that is not full
after LOOKS times as many, or after SECONDS, ends there, and its cursor says how far it came.
"""

import datetime
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.jobs.filters import JobFilter
from jobyard.shared.jobs.tables import JOBS
from jobyard.shared.jobs.terms import TERMS

LOOK: Final = 500
LOOKS: Final = 8
# Nor does it begin a look that would end later, if it took as long as the one before.
SECONDS: Final = 0.015
# An id has the clock of the process that made it, `created_at` that of the database.
CLOCKS_APART: Final = datetime.timedelta(seconds=5)

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MAX_MILLISECONDS: Final = (1 << 48) - 1

_Condition = sa.ColumnElement[bool]


class Found(NamedTuple):
    """Ids of jobs in the order that was asked for; there may be more after `next` if it is not None.

    `next` is the last id that was looked at, and not always one of `ids`.
    """

    ids: list[uuid.UUID]
    next: uuid.UUID | None


@dataclass(frozen=True)
class _Walk:
    """In which direction, and between which ids to look."""

    oldest_first: bool
    after: uuid.UUID | None
    # Of dates: the first id, and the one after the last.
    first: uuid.UUID | None = None
    end: uuid.UUID | None = None

    def bounds(self, ids: sa.ColumnElement[Any]) -> list[_Condition]:
        found: list[_Condition] = []
        if self.after is not None:
            found.append(ids > self.after if self.oldest_first else ids < self.after)
        if self.first is not None:
            found.append(ids >= self.first)
        if self.end is not None:
            found.append(ids < self.end)
        return found

    def bounds_of(
        self, key: sa.ColumnElement[Any], value: str | None, ids: sa.ColumnElement[Any]
    ) -> list[_Condition]:
        """The same of those of one value of a key, as pairs.

        With `key = value` PostgreSQL would take any index in the order of ids, and pass all jobs that have
        another value; pairs are in the order of this one only.
        """
        pairs = sa.tuple_(key, ids)
        lowest = [one for one in (self.first, self.after if self.oldest_first else None) if one is not None]
        highest = [one for one in (self.end, None if self.oldest_first else self.after) if one is not None]

        def pair(job_id: uuid.UUID) -> Any:
            return sa.tuple_(sa.literal(value, key.type), sa.literal(job_id, ids.type))

        low = max(lowest, default=uuid.UUID(int=0))
        above = pairs > pair(low) if self.oldest_first and low == self.after else pairs >= pair(low)
        below = pairs < pair(min(highest)) if highest else pairs <= pair(uuid.UUID(int=(1 << 128) - 1))
        return [above, below]

    def order(self, ids: sa.ColumnElement[Any]) -> sa.UnaryExpression[Any]:
        return ids.asc() if self.oldest_first else ids.desc()


@dataclass(frozen=True)
class _Source:
    """Ids in their order, of an index that has them after `key`: those of one value of it, or of several.

    Without a key they are jobs' own. `where` is true of all, and `same` says of a job that it is one.
    """

    ids: sa.ColumnElement[Any]
    where: Sequence[_Condition] = ()
    key: sa.ColumnElement[Any] | None = None
    values: Sequence[str] = ()
    same: Sequence[_Condition] = ()

    def read(self, walk: _Walk, limit: int, *, offset: int = 0) -> sa.Select[Any]:
        """The next of them, as `id`; those of one value have it as `key`."""
        each = [self._of(value, walk) for value in self.values] or [self._of(None, walk)]
        if len(each) == 1:
            one = each[0] if self.key is None else each[0].add_columns(self.key.label("key"))
            return one.limit(limit).offset(offset) if offset else one.limit(limit)
        parts = [sa.select(one.limit(limit + offset).subquery().c.id) for one in each]
        merged = sa.union_all(*parts).subquery("merged")
        return sa.select(merged.c.id).order_by(walk.order(merged.c.id)).limit(limit).offset(offset)

    def _of(self, value: str | None, walk: _Walk) -> sa.Select[Any]:
        ids = sa.select(self.ids.label("id")).where(*self.where)
        if self.key is None:
            return ids.where(*walk.bounds(self.ids)).order_by(walk.order(self.ids))
        return ids.where(*walk.bounds_of(self.key, value, self.ids)).order_by(
            walk.order(self.key), walk.order(self.ids)
        )


def find(
    session: Session,
    asked: JobFilter,
    *,
    parent: uuid.UUID | None = None,
    after: uuid.UUID | None = None,
    limit: int = 50,
    oldest_first: bool = False,
) -> Found:
    """Jobs that the filter has, newest first; `after` is the `next` of the page before.

    The children of `parent`, or jobs that are no children. There may be fewer than `limit`, or none, and more
    after `next` all the same.
    """
    walk = _Walk(oldest_first, after, *_ids_between(asked.after, asked.before))
    source, rest = _split(session, asked, parent, walk)
    if not rest:
        found = list(session.scalars(source.read(walk, limit + 1)))
        return _page(found, limit, None)
    found = []
    until = time.monotonic() + SECONDS
    for _ in range(LOOKS):
        began = time.monotonic()
        found += session.scalars(_among(source.read(walk, LOOK), rest, walk, limit + 1 - len(found)))
        if len(found) > limit:
            break
        last = session.scalar(source.read(walk, 1, offset=LOOK - 1))
        if last is None:
            return _page(found, limit, None)
        walk = replace(walk, after=last)
        if 2 * time.monotonic() - began > until:
            break
    return _page(found, limit, walk.after)


def few(session: Session, asked: JobFilter) -> sa.Select[Any] | None:
    """`id` of some jobs, at most LOOK, among which are all that the filter has; None: it may have more."""
    walk = _Walk(oldest_first=False, after=None)
    sources = _sources(asked)
    if not sources:
        return None
    chosen, number = _rarest(session, sources, walk)
    return chosen.read(walk, LOOK) if number <= LOOK else None


def conditions(asked: JobFilter, jobs: sa.FromClause = JOBS) -> list[_Condition]:
    """What is true of a job that the filter has, and that is no child: to look at it once more.

    `jobs` has the job's id, parent, state, kind, owner, and when it was created.
    """
    columns = ((jobs.c.state, asked.state), (jobs.c.kind, asked.kind))
    return [
        jobs.c.parent_id.is_(None),
        *_others(asked, jobs),
        *(column.in_(values) for column, values in columns if values),
        *(_has(term, jobs) for term in asked.terms),
    ]


def _page(found: list[uuid.UUID], limit: int, looked_to: uuid.UUID | None) -> Found:
    return Found(found[:limit], found[limit - 1]) if len(found) > limit else Found(found, looked_to)


def _among(
    looked: sa.Select[Any], rest: Sequence[_Condition], walk: _Walk, limit: int
) -> sa.Select[tuple[uuid.UUID]]:
    """Those that meet the other conditions. The subquery has a limit, so that it is read as it is.

    Each job is looked up: of a join, PostgreSQL might make one that begins with all that meet a condition.
    In the order of the index, key first, it looks no further than to the last one that is asked for.
    """
    ids = looked.subquery("looked")
    checked: sa.Select[Any] = sa.select(sa.literal_column("1")).where(JOBS.c.id == ids.c.id, *rest)
    meets = checked.correlate(ids).scalar_subquery().is_not(None)
    by = [walk.order(ids.c[name]) for name in ("key", "id") if name in ids.c]
    return sa.select(ids.c.id).where(meets).order_by(*by).limit(limit)


def _split(
    session: Session, asked: JobFilter, parent: uuid.UUID | None, walk: _Walk
) -> tuple[_Source, list[_Condition]]:
    """Where the jobs are looked at, and what has to be checked of each."""
    theirs = JOBS.c.parent_id.is_(None) if parent is None else JOBS.c.parent_id == parent
    others = _others(asked)
    if parent is not None:  # a parent has not too many children
        columns = ((JOBS.c.state, asked.state), (JOBS.c.kind, asked.kind))
        also = [column.in_(values) for column, values in columns if values]
        return _Source(JOBS.c.id, [theirs, *also]), [*map(_has, asked.terms), *others]
    sources = _sources(asked)
    if not sources:
        return _Source(JOBS.c.id, [theirs]), others
    chosen = sources[0] if len(sources) == 1 else _rarest(session, sources, walk)[0]
    rest = [one for source in sources if source is not chosen for one in source.same]
    # The terms of a job are read without it: it may have been deleted, but is no child.
    return chosen, [*rest, *others]


def _sources(asked: JobFilter) -> list[_Source]:
    """One for each condition that has an index. None of them has children."""
    own = JOBS.c.parent_id.is_(None)
    columns = ((JOBS.c.state, asked.state), (JOBS.c.kind, asked.kind))
    return [
        *(_Source(TERMS.c.job_id, key=TERMS.c.term, values=[one], same=[_has(one)]) for one in asked.terms),
        *(
            _Source(JOBS.c.id, [own], column, sorted(set(values)), [column.in_(values)])
            for column, values in columns
            if values
        ),
    ]


def _others(asked: JobFilter, jobs: sa.FromClause = JOBS) -> list[_Condition]:
    """What no index is read by."""
    others: list[_Condition] = []
    if asked.created_by:
        others.append(jobs.c.created_by.in_(asked.created_by))
    if asked.after is not None:
        others.append(jobs.c.created_at >= asked.after)
    if asked.before is not None:
        others.append(jobs.c.created_at < asked.before)
    return others


def _rarest(session: Session, sources: Sequence[_Source], walk: _Walk) -> tuple[_Source, int]:
    """The first of those that have the fewest jobs, and how many: at most one more than LOOK."""
    counts = [
        sa.select(sa.func.count()).select_from(source.read(walk, LOOK + 1).subquery()).scalar_subquery()
        for source in sources
    ]
    numbers = list(session.execute(sa.select(*counts)).one())
    return sources[numbers.index(min(numbers))], min(numbers)


def _has(term: str, jobs: sa.FromClause = JOBS) -> _Condition:
    """Looked up for each job, as in `_among`, and not an EXISTS, of which PostgreSQL might make a join."""
    looked_up: sa.Select[Any] = sa.select(sa.literal_column("1")).where(
        TERMS.c.term == term, TERMS.c.job_id == jobs.c.id
    )
    return looked_up.correlate(jobs).scalar_subquery().is_not(None)


def _ids_between(
    after: datetime.datetime | None, before: datetime.datetime | None
) -> tuple[uuid.UUID | None, uuid.UUID | None]:
    """Those that jobs created between these moments may have."""
    first = None if after is None else _id_at(after, -CLOCKS_APART)
    return first, None if before is None else _id_at(before, CLOCKS_APART)


def _id_at(moment: datetime.datetime, later: datetime.timedelta) -> uuid.UUID:
    """The least id of version 7 of a moment: it begins with its milliseconds, in 48 bits."""
    milliseconds = (moment - _EPOCH + later) // datetime.timedelta(milliseconds=1)
    return uuid.UUID(int=min(max(milliseconds, 0), _MAX_MILLISECONDS) << 80)
