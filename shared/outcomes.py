"""How many jobs have ended lately, by queue and state: in buckets of five minutes, which the sweeper counts.

So the throughput of a day costs the same after ten million jobs as after a thousand. A bucket is counted as a
whole and written over, so it doesn't matter how many sweepers count, or how often.
"""

import datetime
from typing import Final, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, by_dialect, insert_into, utcnow
from jobyard.shared.jobs import Job
from jobyard.shared.kinds.preview import Preview

JOBS: Final = cast(sa.Table, Job.__table__)
BUCKET_SECONDS: Final = 300
_PER_HOUR: Final = 3_600 // BUCKET_SECONDS
_PER_DAY: Final = 24 * _PER_HOUR
# The last bucket but one is counted again, too: of a job that ended in it the commit may have come later.
_AGAIN: Final = 1


# The bucket of a moment.
_bucket_of = by_dialect(
    sa.BigInteger(),
    postgresql=lambda at: f"CAST(floor(extract(epoch FROM {at}) / {BUCKET_SECONDS}) AS BIGINT)",
    sqlite=lambda at: f"(CAST(strftime('%s', {at}) AS INTEGER) / {BUCKET_SECONDS})",
)


class OutcomeCount(Base):
    """The jobs of a queue that ended in one state within one bucket; children of others are left out."""

    __tablename__ = "job_outcomes"

    # Since 1970, in BUCKET_SECONDS.
    bucket: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    queue: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    state: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    jobs: Mapped[int] = mapped_column(sa.BigInteger)


class Outcomes(NamedTuple):
    """How many jobs ended, to within five minutes at the beginning and half a minute at the end."""

    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def ended(self) -> int:
        return sum(self)

    @property
    def failure_rate(self) -> float | None:
        """The share of the failed ones, cancelled ones aside. None if there are none."""
        counted = self.succeeded + self.failed
        return self.failed / counted if counted else None


class Lately(NamedTuple):
    """Of one queue."""

    hour: Outcomes = Outcomes()
    day: Outcomes = Outcomes()


Counted = list[tuple[int, str, str, int]]


def lately(session: Session) -> dict[str, Lately]:
    """By queue; those in which no job has ended lately are left out."""
    now = _now(session)
    in_hour = sa.case((OutcomeCount.bucket >= now - _PER_HOUR, OutcomeCount.jobs), else_=0)
    query = (
        sa.select(
            OutcomeCount.queue,
            OutcomeCount.state,
            sa.func.sum(in_hour).label("hour"),
            sa.func.sum(OutcomeCount.jobs).label("day"),
        )
        .where(OutcomeCount.bucket >= now - _PER_DAY)
        .group_by(OutcomeCount.queue, OutcomeCount.state)
    )
    found: dict[str, Lately] = {}
    for queue, state, hour, day in session.execute(query):
        before = found.get(queue, Lately())
        found[queue] = Lately(
            before.hour._replace(**{state: int(hour)}), before.day._replace(**{state: int(day)})
        )
    return found


def count(session: Session) -> Counted:
    """Count the jobs that have ended since the last bucket that was counted, a day at most.

    Reads only; `keep` writes what it returns.
    """
    now = _now(session)
    last = session.scalar(sa.select(sa.func.max(OutcomeCount.bucket)))
    first = max(now - _PER_DAY, -1 if last is None else last - _AGAIN)
    since = datetime.datetime.fromtimestamp(first * BUCKET_SECONDS, datetime.UTC)
    bucket = _bucket_of(JOBS.c.finished_at).label("bucket")
    query = (
        sa.select(bucket, JOBS.c.queue, JOBS.c.state, sa.func.count())
        .where(JOBS.c.finished_at >= since, JOBS.c.parent_id.is_(None), JOBS.c.kind != Preview.name)
        .group_by(bucket, JOBS.c.queue, JOBS.c.state)
    )
    return [(at, queue, state, number) for at, queue, state, number in session.execute(query)]


def keep(session: Session, counted: Counted) -> None:
    """Write what `count` has returned, and delete what is older than a day."""
    old = OutcomeCount.bucket < _now(session) - _PER_DAY
    session.execute(sa.delete(OutcomeCount).where(old), execution_options={"synchronize_session": False})
    for bucket, queue, state, number in sorted(counted):
        key = {"bucket": bucket, "queue": queue, "state": state}
        new = insert_into(session.get_bind(), OutcomeCount).values(**key, jobs=number)
        changes = {"jobs": new.excluded.jobs}
        session.execute(new.on_conflict_do_update(index_elements=list(key), set_=changes))


def _now(session: Session) -> int:
    """The bucket of this moment, by the database's clock."""
    return int(session.scalars(sa.select(utcnow())).one().timestamp()) // BUCKET_SECONDS
