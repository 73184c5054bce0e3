"""How many jobs there are: exact up to a thousand of a sort, and beyond as the sweeper last counted them.

So a page costs the same in front of a million jobs as of a thousand.
"""

import datetime
import uuid
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, UtcDateTime, as_text, insert_into, utcnow
from jobyard.shared.jobs.filters import UNLISTED_KIND
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import JOBS, WAITING, Job
from jobyard.shared.jobs.totals import SWEPT, SweepMark

# Databases read so many entries of an index within a millisecond.
EXACT_COUNTS: Final = 1_000
RECOUNT_SECONDS: Final = 60.0


class JobCount(Base):
    """The number of jobs of one sort, where there are more than `EXACT_COUNTS`."""

    __tablename__ = "job_counts"

    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    jobs: Mapped[int] = mapped_column(sa.BigInteger)
    counted_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class Count(NamedTuple):
    """A number of jobs. One that is not exact is over `EXACT_COUNTS`: as the sweeper last counted, or the
    least that there are, where it has not counted them yet.
    """

    jobs: int
    is_exact: bool = True
    is_minimum: bool = False


class Ages(NamedTuple):
    """`oldest_wait_seconds` of each queue in which jobs could run, and how long ago a sweep began."""

    waits: dict[str, float]
    sweep: float | None


def count_by_state(session: Session) -> dict[State, Count]:
    """How many jobs are in each state. Children of other jobs are left out, and from exact counts also the
    jobs of `UNLISTED_KIND`.
    """
    found = _counts(session, {state.value: _in_state(state) for state in State})
    unlisted = _unlisted(session)
    return {state: _without(found[state.value], unlisted.get(state, 0)) for state in State}


def count_queued(session: Session, queue: str) -> Count:
    """How many jobs wait in a queue."""
    return _counts(session, {_name_of(queue): _in_queue(queue)})[_name_of(queue)]


def total(counts: Iterable[Count]) -> Count:
    """All of them together."""
    jobs, exact, minimum = zip(*counts, strict=True)
    return Count(sum(jobs), all(exact), any(minimum))


def oldest_wait_seconds(session: Session, queue: str) -> float | None:
    """For how long the job has waited that could have run for the longest. None if none could run."""
    now, since = session.execute(sa.select(utcnow(), _oldest_in(queue).scalar_subquery())).one()
    return None if since is None else (now - since).total_seconds()


def ages(session: Session, queues: list[str]) -> Ages:
    """In one statement."""
    statement = as_text(_since(tuple(queues)), session.get_bind().dialect)
    typed = statement.columns(*(sa.column(name, UtcDateTime) for name in ("now", "sweep", *queues)))
    now, sweep, *waits = session.connection().execute(typed).one()
    found = zip(queues, waits, strict=True)
    return Ages(
        {queue: (now - since).total_seconds() for queue, since in found if since is not None},
        None if sweep is None else max((now - sweep).total_seconds(), 0.0),
    )


@cache
def _since(queues: tuple[str, ...]) -> sa.Select[Any]:
    swept = sa.select(SweepMark.at).where(SweepMark.name == SWEPT).scalar_subquery()
    waits = [_oldest_in(queue).scalar_subquery().label(queue) for queue in queues]
    return sa.select(utcnow().label("now"), swept.label("sweep"), *waits)


def _oldest_in(queue: str) -> sa.Select[Any]:
    return sa.select(sa.func.min(Job.available_at)).where(
        sa.text(WAITING), Job.queue == queue, Job.available_at <= utcnow()
    )


def recount(session: Session, queues: list[str]) -> dict[str, int]:
    """Count what is too much to be counted by readers, and was not counted within `RECOUNT_SECONDS`.

    Reads only; `keep_counts` writes what it returns.
    """
    sorts = {state.value: _in_state(state) for state in State} | {
        _name_of(queue): _in_queue(queue) for queue in queues
    }
    fresh = set(
        session.scalars(sa.select(JobCount.name).where(JobCount.counted_at > utcnow(-RECOUNT_SECONDS)))
    )
    numbers = _exact(session, {name: sort for name, sort in sorts.items() if name not in fresh})
    return {
        name: session.scalar(sa.select(sa.func.count()).select_from(sorts[name].order_by(None).subquery()))
        or 0
        for name, number in numbers.items()
        if number > EXACT_COUNTS
    }


def keep_counts(session: Session, numbers: dict[str, int]) -> None:
    """Write what `recount` has returned."""
    for name, number in sorted(numbers.items()):
        new = insert_into(session.get_bind(), JobCount).values(name=name, jobs=number, counted_at=utcnow())
        changes = {"jobs": new.excluded.jobs, "counted_at": new.excluded.counted_at}
        session.execute(new.on_conflict_do_update(index_elements=["name"], set_=changes))


def _name_of(queue: str) -> str:
    return f"queued:{queue}"


def _in_state(state: State) -> sa.Select[Any]:
    return sa.select(Job.id).where(Job.state == state, Job.parent_id.is_(None)).order_by(Job.id)


def _in_queue(queue: str) -> sa.Select[Any]:
    waiting = sa.select(Job.id).where(Job.state == State.QUEUED, Job.queue == queue)
    return waiting.order_by(Job.priority.desc(), Job.id)


def _unlisted(session: Session) -> dict[str, int]:
    """The jobs of `UNLISTED_KIND` by state. There are few: they are deleted when they have ended."""
    # As pairs, for which PostgreSQL can take no other index.
    pairs = sa.tuple_(Job.kind, Job.id)
    first, last = (
        sa.tuple_(sa.literal(UNLISTED_KIND), sa.literal(uuid.UUID(int=number), JOBS.c.id.type))
        for number in (0, (1 << 128) - 1)
    )
    theirs = sa.select(Job.state).where(pairs >= first, pairs <= last).order_by(Job.kind, Job.id)
    return dict(Counter(session.scalars(theirs.limit(EXACT_COUNTS))))


def _without(count: Count, unlisted: int) -> Count:
    return count._replace(jobs=max(count.jobs - unlisted, 0)) if count.is_exact else count


def _exact(session: Session, sorts: dict[str, sa.Select[Any]]) -> dict[str, int]:
    """The number of jobs of each sort, or one more than `EXACT_COUNTS`, in one statement."""
    if not sorts:
        return {}
    # Each sort has the order of its index: without one, PostgreSQL may begin to read the whole table.
    limited = {
        name: sa.select(sa.func.count()).select_from(sort.limit(EXACT_COUNTS + 1).subquery())
        for name, sort in sorts.items()
    }
    row = session.execute(sa.select(*(one.scalar_subquery() for one in limited.values()))).one()
    return dict(zip(limited, row, strict=True))


def _counts(session: Session, sorts: dict[str, sa.Select[Any]]) -> dict[str, Count]:
    numbers = _exact(session, sorts)
    far = [name for name, number in numbers.items() if number > EXACT_COUNTS]
    kept: dict[str, int] = {}
    if far:
        kept = dict(
            session.execute(sa.select(JobCount.name, JobCount.jobs).where(JobCount.name.in_(far))).all()
        )
    return {name: _count_of(number, kept.get(name)) for name, number in numbers.items()}


def _count_of(number: int, kept: int | None) -> Count:
    if number <= EXACT_COUNTS:
        return Count(number)
    if kept is None or kept < number:  # there may be more by now than there were
        return Count(number, is_exact=False, is_minimum=True)
    return Count(kept, is_exact=False)
