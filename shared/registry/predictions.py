"""Predictions: the answers of a model for the pictures of a job."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, NullableJson
from jobyard.shared.texts import OutsideText


class Prediction(Base):
    """The answer of a model for one picture of a job."""

    __tablename__ = "predictions"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[str] = mapped_column(OutsideText(1_000))
    label: Mapped[str | None] = mapped_column(OutsideText(200))
    probability: Mapped[float | None]
    probabilities: Mapped[dict[str, float] | None] = mapped_column(NullableJson)
    error: Mapped[str | None] = mapped_column(OutsideText)

    __table_args__ = (sa.Index("ix_predictions_probability", "job_id", "probability", "row"),)


# So many are read at once.
ROWS_AT_ONCE = 16

# Where a list of predictions continues: after this probability and row.
Place = tuple[float | None, int]


def read_predictions(
    session: Session,
    job_id: uuid.UUID,
    *,
    unsure_first: bool = False,
    label: str | None = None,
    after: Place | None = None,
    limit: int = 50,
) -> list[Prediction]:
    """Rows of a prediction, in the order of the pictures, or the least sure first and those with errors last.

    Those with a label, and after a place; in the pictures' order only the row of that counts.
    """
    return list(
        each_prediction(session, job_id, unsure_first=unsure_first, label=label, after=after, limit=limit)
    )


def each_prediction(
    session: Session,
    job_id: uuid.UUID,
    *,
    unsure_first: bool = False,
    label: str | None = None,
    after: Place | None = None,
    limit: int = 50,
) -> Iterator[Prediction]:
    """The same, a few at a time read: of many classes one may be a megabyte."""
    rows = sa.select(Prediction).where(Prediction.job_id == job_id).limit(limit)
    rows = rows.execution_options(yield_per=ROWS_AT_ONCE)
    if label is not None:
        rows = rows.where(Prediction.label == label)
    if not unsure_first:
        beyond = rows if after is None else rows.where(Prediction.row > after[1])
        with closing(session.scalars(beyond.order_by(Prediction.row))) as read:
            yield from read
        return
    count = 0
    probability, row = after or (0.0, -1)
    # One after the other, as an index has them: databases differ about where nulls belong.
    if probability is not None:
        beyond = rows.where(sa.tuple_(Prediction.probability, Prediction.row) > (probability, row))
        with closing(session.scalars(beyond.order_by(Prediction.probability, Prediction.row))) as read:
            for found in read:
                count += 1
                yield found
        row = -1
    failed = rows.where(Prediction.probability.is_(None), Prediction.row > row).order_by(Prediction.row)
    if count < limit:
        with closing(session.scalars(failed.limit(limit - count))) as read:
            yield from read


def count_predictions(session: Session, job_id: uuid.UUID) -> dict[str | None, int]:
    """How many pictures have each label; None: those with an error."""
    query = sa.select(Prediction.label, sa.func.count()).where(Prediction.job_id == job_id)
    return dict(session.execute(query.group_by(Prediction.label)).all())


def keep_predictions(
    session: Session, job_id: uuid.UUID, rows: Sequence[dict[str, Any]], start: int = 0
) -> None:
    """Make these the rows of a prediction from the number `start` on: those of an earlier attempt go."""
    theirs = Prediction.row.between(start, start + len(rows) - 1)
    session.execute(sa.delete(Prediction).where(Prediction.job_id == job_id, theirs))
    numbered = [{"job_id": job_id, "row": row, **given} for row, given in enumerate(rows, start)]
    if numbered:
        session.execute(sa.insert(Prediction), numbered)
