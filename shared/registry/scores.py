"""Scores: the groups of a scored file."""

import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, Json
from jobyard.shared.texts import OutsideText


class ScoreGroup(Base):
    """The summary of the rows of a scored file that have one value in the column `group_by`."""

    __tablename__ = "score_groups"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    # Most rows first, then by value.
    position: Mapped[int] = mapped_column(primary_key=True)
    # None: the rows without one.
    value: Mapped[str | None] = mapped_column(OutsideText)
    rows: Mapped[int] = mapped_column(sa.BigInteger)
    nulls: Mapped[int] = mapped_column(sa.BigInteger)
    labels: Mapped[dict[str, int]] = mapped_column(Json)
    mean: Mapped[float | None]
    std: Mapped[float | None]
    # Counts of the compound in 40 bins from −1 to 1.
    histogram: Mapped[list[int]] = mapped_column(Json)


def score_groups(
    session: Session, job_id: uuid.UUID, *, offset: int = 0, limit: int = 50
) -> list[ScoreGroup]:
    """The groups of a scored file, most rows first."""
    query = sa.select(ScoreGroup).where(ScoreGroup.job_id == job_id).order_by(ScoreGroup.position)
    return list(session.scalars(query.offset(offset).limit(limit)))


def keep_score_groups(session: Session, job_id: uuid.UUID, groups: Sequence[dict[str, Any]]) -> None:
    """Make these, in their order, the groups of a job, in place of those of an earlier attempt."""
    session.execute(sa.delete(ScoreGroup).where(ScoreGroup.job_id == job_id))
    if groups:
        rows = [{"job_id": job_id, "position": position, **group} for position, group in enumerate(groups)]
        session.execute(sa.insert(ScoreGroup), rows)
