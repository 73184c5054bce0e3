"""Metric histories: one row per (job, name, step)."""

import datetime
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, UtcDateTime, utcnow
from jobyard.shared.texts import OutsideText

# So many rows are read for the maxima and minima of a history: within 100 ms on either database.
MAX_LOOKED_AT = 20_000
# What names begin with that the work did not report: what the job uses, by seconds of its attempt.
SYSTEM: Final = "system/"
# Databases limit the parameters of one statement.
STEPS_AT_ONCE = 1_000


class Metric(Base):
    """One point of a history."""

    __tablename__ = "metrics"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(OutsideText(64), primary_key=True)
    step: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    epoch: Mapped[int | None]
    # None where the number was not finite: neither JSON nor SQLite has NaN.
    value: Mapped[float | None]
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class Point:
    """What a training reports: one value of one metric at one step."""

    name: str
    step: int
    value: float
    epoch: int | None = None

    @property
    def is_system(self) -> bool:
        """Whether it tells what the job uses, and is none of its work's."""
        return self.name.startswith(SYSTEM)


def write(session: Session, job_id: uuid.UUID, points: Sequence[Point]) -> None:
    """Insert or overwrite points. Call `jobs.heartbeat` first, which checks the lease."""
    rows = [
        {
            "job_id": job_id,
            "name": point.name,
            "step": point.step,
            "epoch": point.epoch,
            "value": point.value if math.isfinite(point.value) else None,
        }
        for point in {(point.name, point.step): point for point in points}.values()
    ]
    if rows:
        # One statement, made once: to write many points takes the training's interpreter little time.
        session.execute(_UPSERTS[session.get_bind().dialect.name], rows)


def _upsert(insert: Any) -> Any:
    statement = insert(Metric.__table__).values(at=utcnow())
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["job_id", "name", "step"],
        set_={"epoch": new.epoch, "value": new.value, "at": new.at},
    )


_UPSERTS: Final = {"postgresql": _upsert(postgresql.insert), "sqlite": _upsert(sqlite.insert)}


def clear(session: Session, job_id: uuid.UUID, *, system: bool = False) -> None:
    """Delete the history of a job's work, or that of what it uses: a new attempt starts at step 1."""
    session.execute(
        sa.delete(Metric).where(Metric.job_id == job_id, _of_system() if system else ~_of_system())
    )


def _of_system() -> sa.ColumnElement[bool]:
    return Metric.name.startswith(SYSTEM, autoescape=True)


def history(
    session: Session,
    job_id: uuid.UUID,
    *,
    system: bool = False,
    name: str | None = None,
    points: int | None = None,
    after: tuple[str, int] | None = None,
    limit: int | None = None,
) -> list[Metric]:
    """The history, by name and step; of each name at most `points`, chosen by `_thinned`.

    `limit` rows, from the one after a name and step on. Without a name: of what the work reported, or with
    `system` of what the job uses.
    """
    if points is None:
        query = sa.select(Metric).where(Metric.job_id == job_id).order_by(Metric.name, Metric.step)
        if after is not None:
            query = query.where(sa.tuple_(Metric.name, Metric.step) > after)
        its = _of_system() if system else ~_of_system()
        query = query.where(its if name is None else Metric.name == name)
        return list(session.scalars(query.limit(limit)))
    names = names_of(session, [job_id], system=system) if name is None else [name]
    share = MAX_LOOKED_AT // max(len(names), 1)
    following = names if after is None else names[names.index(after[0]) :] if after[0] in names else []
    found: list[Metric] = []
    for each in following:
        rows = _thinned(session, job_id, each, points, share)
        found += [row for row in rows if after is None or row.name != after[0] or row.step > after[1]]
        if limit is not None and len(found) >= limit:
            break
    return found[:limit]


def compare(
    session: Session, job_ids: Sequence[uuid.UUID], name: str, points: int
) -> dict[uuid.UUID, list[Metric]]:
    """The histories of one metric, by job, each as `history` has it."""
    share = MAX_LOOKED_AT // max(len(job_ids), 1)
    return {job_id: _thinned(session, job_id, name, points, share) for job_id in job_ids}


def names_of(session: Session, job_ids: Sequence[uuid.UUID], *, system: bool = False) -> list[str]:
    """The names of the metrics that the work of at least one of the jobs reported, in order, or those of
    what they use.
    """
    found = {name for job_id in job_ids for name in _names(session, job_id)}
    return sorted(name for name in found if name.startswith(SYSTEM) == system)


def _names(session: Session, job_id: uuid.UUID) -> list[str]:
    """From each name to the next by the primary key: rows that have a name seen already are not read."""
    least = sa.select(sa.func.min(Metric.name)).where(Metric.job_id == job_id)
    seen = sa.select(least.scalar_subquery().label("name")).cte("seen", recursive=True)
    following = least.where(Metric.name > seen.c.name).correlate(seen).scalar_subquery()
    seen = seen.union_all(sa.select(following).where(seen.c.name.is_not(None)))
    return list(session.scalars(sa.select(seen.c.name).where(seen.c.name.is_not(None))))


def _thinned(session: Session, job_id: uuid.UUID, name: str, points: int, read: int) -> list[Metric]:
    """At most `points` rows of one name, by step: the first, the last, and so that no peak vanishes, the
    lowest and the highest value of each of (points − 2) // 2 equal ranges of steps between them.

    In each range only its first rows are read, `read` in all: of a longer history that is a sample, and the
    answer takes as long for a million rows as for some ten thousand. Values that were not finite are left
    out first.
    """
    own = sa.select(Metric).where(Metric.job_id == job_id, Metric.name == name)
    by_step = own.order_by(Metric.step)
    first = session.scalar(by_step.limit(1))
    last = session.scalar(own.order_by(Metric.step.desc()).limit(1))
    if first is None or last is None:
        return []
    # From the first on: without that, PostgreSQL sorts all of them as long as it has no statistics.
    more = by_step.with_only_columns(Metric.step).where(Metric.step > first.step).offset(points - 1).limit(1)
    if last.step - first.step < points or session.scalar(more) is None:
        return list(session.scalars(by_step))
    if points == 1:
        return [last]
    if ranges := (points - 2) // 2:
        steps = sorted(_extremes(session, job_id, name, (first.step + 1, last.step), ranges, read // ranges))
    else:
        steps = []
    between: list[Metric] = []
    for start in range(0, len(steps), STEPS_AT_ONCE):
        between += session.scalars(by_step.where(Metric.step.in_(steps[start : start + STEPS_AT_ONCE])))
    return [first, *between, last]


def _extremes(
    session: Session, job_id: uuid.UUID, name: str, steps: tuple[int, int], ranges: int, read: int
) -> set[int]:
    """Steps of the lowest and the highest value in each of so many equal ranges of these steps.

    Of each range its first `read` rows count. The database walks the primary key from each range's beginning.
    """
    begin, end = steps
    width = -(-(end - begin) // ranges)
    starts = sa.select(sa.literal(begin, sa.BigInteger).label("start")).cte("starts", recursive=True)
    following = starts.c.start + width
    starts = starts.union_all(sa.select(following).where(following < end))
    sampled = (
        sa.select(Metric.step, Metric.value)
        .where(Metric.job_id == job_id, Metric.name == name)
        .where(Metric.step >= starts.c.start, Metric.step < starts.c.start + width, Metric.step < end)
        .order_by(Metric.step)
        .limit(max(read, 1))
        .correlate(starts)
        .subquery()
    )
    finite = sa.select(sampled.c.step).where(sampled.c.value.is_not(None)).limit(1).correlate(starts)
    lowest = finite.order_by(sampled.c.value, sampled.c.step).scalar_subquery()
    highest = finite.order_by(sampled.c.value.desc(), sampled.c.step).scalar_subquery()
    found = session.execute(sa.select(lowest, highest).select_from(starts))
    return {step for row in found for step in row if step is not None}
