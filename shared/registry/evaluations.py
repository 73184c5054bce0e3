"""Evaluations of models on data sets: in short, as their jobs have the whole of it."""

import datetime
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column
from uuid_utils.compat import uuid7

from jobyard.shared.database import Base, UtcDateTime, utcnow
from jobyard.shared.registry.datasets import Dataset


class ModelEvaluation(Base):
    """How right a model was on the pictures of a data set; it outlives its job and the data set."""

    __tablename__ = "model_evaluations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    model_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("models.id", ondelete="CASCADE"))
    dataset_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("datasets.id", ondelete="SET NULL"))
    job_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("jobs.id", ondelete="SET NULL"))
    # `name@version` of the data set, and the digest of its contents.
    dataset: Mapped[str] = mapped_column(sa.String(80))
    dataset_sha256: Mapped[str] = mapped_column(sa.String(64))
    split: Mapped[str] = mapped_column(sa.String(16))
    pictures: Mapped[int]
    accuracy: Mapped[float]
    # Wilson's interval of the accuracy at 95 %.
    accuracy_low: Mapped[float]
    accuracy_high: Mapped[float]
    loss: Mapped[float]
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    __table_args__ = (sa.Index("ix_model_evaluations_model_id", "model_id", "id"),)

    @property
    def accuracy_interval(self) -> list[float]:
        return [self.accuracy_low, self.accuracy_high]


def add_evaluation(
    session: Session,
    *,
    dataset: Dataset,
    accuracy_interval: list[float],
    **facts: Any,
) -> ModelEvaluation:
    """Register an evaluation; `facts` are columns of `ModelEvaluation`."""
    low, high = accuracy_interval
    made = ModelEvaluation(
        id=uuid7(),
        dataset_id=dataset.id,
        dataset=dataset.reference,
        dataset_sha256=dataset.sha256,
        accuracy_low=low,
        accuracy_high=high,
        created_at=utcnow(),
        **facts,
    )
    session.add(made)
    return made


def evaluations(
    session: Session, model_id: uuid.UUID, *, before: uuid.UUID | None = None, limit: int = 50
) -> list[ModelEvaluation]:
    """Those of a model, newest first; `before` is the last id of the page above."""
    query = sa.select(ModelEvaluation).where(ModelEvaluation.model_id == model_id)
    query = query if before is None else query.where(ModelEvaluation.id < before)
    return list(session.scalars(query.order_by(ModelEvaluation.id.desc()).limit(limit)))
