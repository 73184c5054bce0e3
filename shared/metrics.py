"""Metric histories: one row per (job, name, step)."""

import datetime
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.database import Base, UtcDateTime, utcnow

# Databases limit the parameters of one statement; a row has six.
ROWS_AT_ONCE = 1_000


class Metric(Base):
    """One point of a history."""

    __tablename__ = "metrics"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
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


def write(session: Session, job_id: uuid.UUID, points: Sequence[Point]) -> None:
    """Insert points; one that is there already is overwritten. Fence it with `jobs.heartbeat` before."""
    if not points:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    rows = [
        {
            "job_id": job_id,
            "name": point.name,
            "step": point.step,
            "epoch": point.epoch,
            "value": point.value if math.isfinite(point.value) else None,
            "at": utcnow(),
        }
        for point in {(point.name, point.step): point for point in points}.values()
    ]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        statement = insert(Metric).values(rows[start : start + ROWS_AT_ONCE])
        new = statement.excluded
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["job_id", "name", "step"],
                set_={"epoch": new.epoch, "value": new.value, "at": new.at},
            )
        )


def clear(session: Session, job_id: uuid.UUID) -> None:
    """Forget a job's history: a new attempt begins at step 1."""
    session.execute(sa.delete(Metric).where(Metric.job_id == job_id))


def history(
    session: Session, job_id: uuid.UUID, *, name: str | None = None, points: int | None = None
) -> list[Metric]:
    """The history, by name and step; at most `points` of each name, evenly taken, first and last kept."""
    query = sa.select(Metric).where(Metric.job_id == job_id).order_by(Metric.name, Metric.step)
    if name is not None:
        query = query.where(Metric.name == name)
    rows = list(session.scalars(query))
    if points is None:
        return rows
    return [row for _, group in groupby(rows, key=lambda row: row.name) for row in _thin(list(group), points)]


def _thin(rows: list[Metric], points: int) -> list[Metric]:
    if len(rows) <= points:
        return rows
    if points == 1:
        return rows[-1:]
    last = len(rows) - 1
    return [rows[round(index * last / (points - 1))] for index in range(points)]
