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
Rows = sa.Select[Prediction]


def read_predictions(
    session: Session,
    job_id: uuid.UUID,
    *,
    unsure_first: bool = False,
    label: str | None = None,
    after: Place | None = None,
    limit: int = 50,
    backwards: bool = False,
) -> list[Prediction]:
    """Rows of a prediction, in the order of the pictures, or the least sure first and those with errors last.

    Those with a label, and after a place; in the pictures' order only the row of that counts. With
    `backwards` those before the place, the nearest first.
    """
    return list(
        each_prediction(
            session,
            job_id,
            unsure_first=unsure_first,
            label=label,
            after=after,
            limit=limit,
            backwards=backwards,
        )
    )


def each_prediction(
    session: Session,
    job_id: uuid.UUID,
    *,
    unsure_first: bool = False,
    label: str | None = None,
    after: Place | None = None,
    limit: int = 50,
    backwards: bool = False,
) -> Iterator[Prediction]:
    """The same, a few at a time read: of many classes one may be a megabyte."""
    rows = sa.select(Prediction).where(Prediction.job_id == job_id)
    rows = rows.execution_options(yield_per=ROWS_AT_ONCE)
    if label is not None:
        rows = rows.where(Prediction.label == label)
    parts = _unsure_first(rows, after, backwards) if unsure_first else [_by_row(rows, after, backwards)]
    left = limit
    for part in parts:
        if left <= 0:
            return
        with closing(session.scalars(part.limit(left))) as read:
            for found in read:
                left -= 1
                yield found


def _by_row(rows: Rows, after: Place | None, backwards: bool) -> Rows:
    if after is not None:
        rows = rows.where(Prediction.row < after[1] if backwards else Prediction.row > after[1])
    return rows.order_by(Prediction.row.desc() if backwards else Prediction.row)


def _unsure_first(rows: Rows, after: Place | None, backwards: bool) -> list[Rows]:
    """One after the other, as an index has them: databases differ about where nulls belong."""
    sure, failed = (
        rows.where(Prediction.probability.is_not(None)),
        rows.where(Prediction.probability.is_(None)),
    )
    ordered = (Prediction.probability, Prediction.row)
    if backwards:
        sure, failed = sure.order_by(*(one.desc() for one in ordered)), failed.order_by(Prediction.row.desc())
    else:
        sure, failed = sure.order_by(*ordered), failed.order_by(Prediction.row)
    if after is None:
        return [failed, sure] if backwards else [sure, failed]
    probability, row = after
    if probability is None:
        failed = failed.where(Prediction.row < row if backwards else Prediction.row > row)
        return [failed, sure] if backwards else [failed]
    place, given = sa.tuple_(*ordered), sa.tuple_(sa.literal(probability), sa.literal(row))
    sure = sure.where(place < given if backwards else place > given)
    return [sure] if backwards else [sure, failed]


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
