"""What data sets were imported from: who has the same archive need not upload it again."""

import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, insert_into
from jobyard.shared.registry.datasets import Dataset


class DatasetSource(Base):
    """An archive that this version came of, as the server received it, and how its import was asked for.

    One version may have come of several: names of files make no difference to it.
    """

    __tablename__ = "dataset_sources"

    dataset_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True
    )
    sha256: Mapped[str] = mapped_column(sa.String(64), primary_key=True, index=True)
    labels: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    allow_partial: Mapped[bool] = mapped_column(primary_key=True)


def note_source(session: Session, dataset: Dataset, sha256: str, *, labels: str, allow_partial: bool) -> None:
    """Remember what a version was imported from."""
    values = {
        "dataset_id": dataset.id,
        "sha256": sha256,
        "labels": labels,
        "allow_partial": allow_partial,
    }
    insert = insert_into(session.get_bind(), DatasetSource).values(values)
    session.execute(insert.on_conflict_do_nothing())


def came_of(sha256: str, *, labels: str, allow_partial: bool) -> sa.ColumnElement[bool]:
    """Whether importing this archive in this way would make the version.

    An import that would be refused unless a part may be left out is not what was asked for without that.
    """
    theirs = sa.select(DatasetSource.dataset_id).where(
        DatasetSource.sha256 == sha256, DatasetSource.labels == labels
    )
    if not allow_partial:
        theirs = theirs.where(sa.not_(DatasetSource.allow_partial))
    return Dataset.id.in_(theirs)
