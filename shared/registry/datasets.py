"""Data sets: pictures by split and class, in versions."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Json, NullableJson
from jobyard.shared.registry.versions import Versioned, add


class Dataset(Versioned):
    """Pictures by split and class, stored as one zip; `sha256` is of the contents, not of the zip."""

    __tablename__ = "datasets"
    noun = "data set"

    __table_args__ = (sa.UniqueConstraint("name", "version"),)

    # {"train": {"cats": 200, …}, "validation": {…}}
    classes: Mapped[dict[str, dict[str, int]]] = mapped_column(Json)
    pictures: Mapped[int]
    # [{"file": …, "reason": …}], the first thousand
    rejected: Mapped[list[dict[str, str]]] = mapped_column(Json)
    rejected_count: Mapped[int]
    # What `workers.datasets` found out about the pictures; None for those imported before it looked.
    report: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)

    @property
    def class_names(self) -> list[str]:
        return sorted({name for split in self.classes.values() for name in split})


def add_dataset(session: Session, dataset: Dataset) -> Dataset:
    """Register `dataset`, or return the version of its name that has the same contents, however old.

    That one gets the report, if it was imported before there were any.
    """
    take_turn(session, dataset)
    same = session.scalar(
        sa.select(Dataset)
        .where(Dataset.name == dataset.name, Dataset.sha256 == dataset.sha256)
        .order_by(Dataset.version.desc())
        .limit(1)
    )
    if same is None:
        return add(session, dataset)
    if same.report is None:
        same.report = dataset.report
    return same


def take_turn(session: Session, dataset: Dataset) -> None:
    """Of jobs that import the same files at once, the later ones find the version of the first."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time
        session.execute(
            sa.select(
                sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{dataset.__tablename__}/{dataset.name}"))
            )
        )
