"""The rows of uploads and artifacts.

Bytes are written first, under a unique key, and the row that names them after: a row without its file does
not happen.
"""

import datetime
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column
from uuid_utils.compat import uuid7

from jobyard.shared.database import Base, UtcDateTime, utcnow
from jobyard.shared.errors import NotFound
from jobyard.shared.storage.intents import complete
from jobyard.shared.storage.objects import Stored
from jobyard.shared.texts import OutsideText

_UPLOADS = sa.text("job_id IS NULL")


class File(Base):
    """An uploaded file (`job_id` is None) or an artifact of a job, under a name."""

    __tablename__ = "files"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    job_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(OutsideText(255))
    media_type: Mapped[str] = mapped_column(OutsideText(255))
    storage_key: Mapped[str] = mapped_column(sa.String(500), unique=True)
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        sa.UniqueConstraint("job_id", "name"),
        # For the list of uploads and their size together.
        sa.Index("ix_files_uploads", "id", "bytes", sqlite_where=_UPLOADS, postgresql_where=_UPLOADS),
    )


# Of uploads, as their index has them.
UPLOAD_ID = sa.literal_column("id", File.id.type)
UPLOAD_BYTES = sa.literal_column("bytes", File.bytes.type)


def uploads_in_order(session: Session) -> "sa.Select[Any]":
    """`UPLOAD_ID` and `UPLOAD_BYTES` of uploads, to be ordered by the id and limited.

    SQLite is told the index: it would find all uploads by another one and sort them.
    """
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    files = sa.text("files INDEXED BY ix_files_uploads" if is_sqlite else "files")
    return sa.select(UPLOAD_ID, UPLOAD_BYTES).select_from(files).where(sa.text("job_id IS NULL"))


def add_file(
    session: Session, stored: Stored, *, name: str, media_type: str, job_id: uuid.UUID | None = None
) -> File:
    """The row of a stored file."""
    file = File(
        id=uuid7(),
        job_id=job_id,
        name=name,
        media_type=media_type,
        storage_key=stored.key,
        bytes=stored.bytes,
        sha256=stored.sha256,
        created_at=utcnow(),
    )
    session.add(file)
    complete(session, [stored.key])
    session.flush()
    session.refresh(file)
    return file


def get_file(session: Session, file_id: uuid.UUID) -> File:
    """An uploaded file. Raises NotFound."""
    file = session.get(File, file_id)
    if file is None or file.job_id is not None:
        raise NotFound(f"there is no file {file_id}; upload it with POST /api/v1/files")
    return file


def get_files(session: Session, ids: Sequence[uuid.UUID]) -> list[File]:
    """Uploaded files, in this order. Raises NotFound, as `get_file` does."""
    found = {file.id: file for file in session.scalars(sa.select(File).where(File.id.in_(set(ids))))}
    return [found[i] if i in found and found[i].job_id is None else get_file(session, i) for i in ids]


def artifacts(
    session: Session, job_id: uuid.UUID, *, after: str | None = None, limit: int | None = None
) -> list[File]:
    """A job's artifacts, by name; those after a name."""
    theirs = sa.select(File).where(File.job_id == job_id).order_by(File.name).limit(limit)
    return list(session.scalars(theirs if after is None else theirs.where(File.name > after)))


def artifact(session: Session, job_id: uuid.UUID, name: str) -> File | None:
    """The artifact of that name, if there is one."""
    if "\0" in name:  # which PostgreSQL takes in no text
        return None
    return session.scalar(sa.select(File).where(File.job_id == job_id, File.name == name))


def file_names(session: Session, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The names of those of the files that there are."""
    found = session.execute(sa.select(File.id, File.name).where(File.id.in_(set(ids))))
    return dict(found.all())
