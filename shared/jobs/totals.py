"""What is counted over all jobs that there have ever been: how they ended, how long they waited and ran.

A job's end writes nothing here, for it would be one more statement of each job. The sweeper adds those that
have ended since its mark, each exactly once: mark and numbers change in one transaction.
"""

import datetime
import math
import uuid
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, UtcDateTime, insert_into, utcnow
from jobyard.shared.jobs.states import TERMINAL, State
from jobyard.shared.jobs.tables import EVENTS, JOBS

# Upper bounds of the buckets, in seconds; the last one has none.
BOUNDS: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0, math.inf)
# What is counted.
WAITED: Final = "waited"
RAN: Final = "ran"
ENDED: Final = "ended"
LEASE_EXPIRED: Final = "lease_expired"
POSTPONED: Final = "postponed"

# Of a transaction the sweeper might not see yet what it has written so long before its own look.
LATE_SECONDS: Final = 1.0
# For an open transaction it waits so long, and then counts without what that may have written.
PATIENCE_SECONDS: Final = 900.0
# Jobs that are counted in one transaction.
AT_ONCE: Final = 1_000
# The names of the marks.
COUNTED, SWEPT = "counted", "swept"


class JobTotal(Base):
    """The number of jobs of a sort within a bucket of seconds, and their seconds together."""

    __tablename__ = "job_totals"

    what: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    queue: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    # In which they ended; empty of times, whose buckets are many.
    state: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    # The bucket's upper bound in milliseconds; 0: it has none.
    bound_ms: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    jobs: Mapped[int] = mapped_column(sa.BigInteger)
    seconds: Mapped[float]


class SweepMark(Base):
    """How far the sweeper has come, by the database's clock."""

    __tablename__ = "sweep_marks"

    name: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    # Of those who read first and write later: grows with each change.
    version: Mapped[int] = mapped_column(default=0)


class Sort(NamedTuple):
    """A key of `JobTotal`; `bound_ms` as there."""

    what: str
    queue: str
    kind: str = ""
    state: str = ""
    bound_ms: int = 0


class Total(NamedTuple):
    """One row of `JobTotal`."""

    sort: Sort
    jobs: int
    seconds: float


class Ended(NamedTuple):
    """Jobs that have ended since the mark; `is_all`: there are no more of them."""

    version: int
    until: datetime.datetime
    numbers: dict[Sort, tuple[int, float]]
    is_all: bool


_ALL: Final = sa.select(
    *(JobTotal.__table__.c[name] for name in (*Sort._fields, "jobs", "seconds")),
)


def read_totals(session: Session) -> list[Total]:
    """All numbers."""
    rows = session.connection().execute(_ALL)
    return [Total(Sort._make(row[:-2]), row[-2], row[-1]) for row in rows]


def mark_age_seconds(session: Session, name: str) -> float | None:
    """How long ago the sweeper set this mark. None if there is none."""
    now, at = session.execute(
        sa.select(utcnow(), sa.select(SweepMark.at).where(SweepMark.name == name).scalar_subquery())
    ).one()
    return None if at is None else max((now - at).total_seconds(), 0.0)


def swept_at(session: Session) -> datetime.datetime | None:
    """When a sweeper last swept. None: none has yet, and the mark is that of the migration."""
    return session.scalar(sa.select(SweepMark.at).where(SweepMark.name == SWEPT, SweepMark.version > 0))


def set_mark(session: Session, name: str) -> None:
    """Set this mark to now."""
    new = insert_into(session.get_bind(), SweepMark).values(name=name, at=utcnow(), version=0)
    changes = {"at": new.excluded.at, "version": SweepMark.version + 1}
    session.execute(new.on_conflict_do_update(index_elements=["name"], set_=changes))


def settled_until(session: Session) -> datetime.datetime:
    """Before this moment no job can end any more: all who wrote such an end have committed.

    To be asked by a session that writes: on SQLite nobody else does at that time. On PostgreSQL a
    transaction that is still open may have written an end since it began.
    """
    if session.get_bind().dialect.name != "postgresql":
        return session.scalars(sa.select(utcnow(-LATE_SECONDS))).one()
    # GREATEST would pass over the NULL of no transaction at all, and be the moment of patience.
    oldest = sa.text(
        "SELECT least(clock_timestamp(), greatest(coalesce(min(xact_start), clock_timestamp()), "
        "clock_timestamp() - interval '1 second' * :patience)) - interval '1 second' * :late AS until "
        "FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL "
        "AND pid <> pg_backend_pid()"
    ).columns(until=UtcDateTime())
    given = {"patience": PATIENCE_SECONDS, "late": LATE_SECONDS}
    until: datetime.datetime = session.execute(oldest, given).scalar_one()
    return until


def ended_until(session: Session, until: datetime.datetime) -> Ended | None:
    """The oldest jobs, some `AT_ONCE`, that ended after the mark. None if there are none.

    Reads only; `keep_ended` adds them.
    """
    mark = session.get(SweepMark, COUNTED)
    if mark is None:  # somebody has deleted it; what has ended before now is not counted
        return Ended(-1, until, {}, is_all=True)
    new = sa.and_(JOBS.c.finished_at > mark.at, JOBS.c.finished_at <= until)
    found = _read(session, new, AT_ONCE)
    is_all = len(found) < AT_ONCE
    if not is_all:  # with all that ended at the same moment as the last one
        until = found[-1].finished_at
        same = _read(session, JOBS.c.finished_at == until)
        found = [job for job in found if job.finished_at < until] + same
    return Ended(mark.version, until, _numbers(session, found), is_all) if found else None


def keep_ended(session: Session, ended: Ended) -> bool:
    """Move the mark and add the numbers. False: somebody else has moved it, and nothing is changed."""
    if ended.version < 0:
        set_mark(session, COUNTED)
        return True
    mine = (SweepMark.name == COUNTED, SweepMark.version == ended.version)
    moved = sa.update(SweepMark).where(*mine).values(at=ended.until, version=SweepMark.version + 1)
    if session.scalar(moved.returning(SweepMark.name)) is None:
        return False
    _add(session, ended.numbers)
    return True


def count_ended(session: Session, *which: sa.ColumnElement[bool]) -> None:
    """Count the jobs that have ended since the mark now, for they are to be changed or deleted."""
    since = sa.select(SweepMark.at).where(SweepMark.name == COUNTED).scalar_subquery()
    new = sa.and_(*which, JOBS.c.finished_at > since)
    # Whoever wants both locks jobs before the mark.
    locked = sa.select(JOBS.c.id).where(new).order_by(JOBS.c.id).with_for_update()
    if not session.execute(locked).all():
        return
    # Whoever has read what has ended finds the mark changed, and begins again.
    session.execute(
        sa.update(SweepMark).where(SweepMark.name == COUNTED).values(version=SweepMark.version + 1)
    )
    _add(session, _numbers(session, _read(session, new)))


def add(session: Session, what: str, queues: Iterable[str]) -> None:
    """Count this once for each job; `queues` are theirs."""
    numbers: dict[Sort, tuple[int, float]] = {}
    for queue in queues:
        jobs, _ = numbers.get(Sort(what, queue), (0, 0.0))
        numbers[Sort(what, queue)] = (jobs + 1, 0.0)
    _add(session, numbers)


def _read(session: Session, which: sa.ColumnElement[bool], limit: int | None = None) -> list[Any]:
    names = ("id", "queue", "kind", "state", "created_at", "started_at", "finished_at")
    columns = [JOBS.c[name] for name in names]
    found = sa.select(*columns).where(which).order_by(JOBS.c.finished_at).limit(limit)
    return list(session.execute(found).all())


def _numbers(session: Session, found: list[Any]) -> dict[Sort, tuple[int, float]]:
    retried = _since_retry(session, [job.id for job in found])
    numbers: dict[Sort, list[float]] = defaultdict(lambda: [0, 0.0])

    def observe(sort: Sort, seconds: float) -> None:
        numbers[sort][0] += 1
        numbers[sort][1] += max(seconds, 0.0)

    for job in found:
        submitted, started = job.created_at, job.started_at
        if job.id in retried:
            submitted = retried[job.id].get(State.QUEUED, submitted)
            started = retried[job.id].get(State.RUNNING)
        ended = (job.finished_at - submitted).total_seconds()
        observe(Sort(ENDED, job.queue, job.kind, job.state), ended)
        if started is not None:
            waited, ran = (started - submitted).total_seconds(), (job.finished_at - started).total_seconds()
            observe(Sort(WAITED, job.queue, job.kind, "", bound_of(waited)), waited)
            observe(Sort(RAN, job.queue, job.kind, "", bound_of(ran)), ran)
    return {sort: (int(jobs), seconds) for sort, (jobs, seconds) in numbers.items()}


def bound_of(seconds: float) -> int:
    """The upper bound of the bucket, as `JobTotal` has it."""
    bound = BOUNDS[bisect_left(BOUNDS, seconds)]
    return 0 if math.isinf(bound) else round(1_000 * bound)


def _since_retry(session: Session, job_ids: list[uuid.UUID]) -> dict[uuid.UUID, dict[str, datetime.datetime]]:
    """Of those that had ended before: when they were queued again, and first ran after that."""
    if not job_ids:
        return {}
    earlier = (
        sa.select(EVENTS.c.job_id, sa.func.max(EVENTS.c.at).label("ended"))
        .join(JOBS, JOBS.c.id == EVENTS.c.job_id)
        .where(EVENTS.c.job_id.in_(job_ids), EVENTS.c.state.in_(TERMINAL), EVENTS.c.at < JOBS.c.finished_at)
        .group_by(EVENTS.c.job_id)
        .subquery()
    )
    later = EVENTS.alias()
    first = (
        sa.select(later.c.job_id, later.c.state, sa.func.min(later.c.at))
        .join(earlier, earlier.c.job_id == later.c.job_id)
        .where(later.c.at > earlier.c.ended, later.c.state.in_([State.QUEUED, State.RUNNING]))
        .group_by(later.c.job_id, later.c.state)
    )
    found: dict[uuid.UUID, dict[str, datetime.datetime]] = defaultdict(dict)
    for job_id, state, at in session.execute(first):
        found[job_id][state] = at
    return found


def _add(session: Session, numbers: dict[Sort, tuple[int, float]]) -> None:
    # In one order, so that two who add don't wait for each other.
    for sort, (jobs, seconds) in sorted(numbers.items()):
        new = insert_into(session.get_bind(), JobTotal).values(**sort._asdict(), jobs=jobs, seconds=seconds)
        sums = {
            "jobs": JobTotal.jobs + new.excluded.jobs,
            "seconds": JobTotal.seconds + new.excluded.seconds,
        }
        session.execute(new.on_conflict_do_update(index_elements=list(Sort._fields), set_=sums))
