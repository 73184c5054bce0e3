"""Files and artifacts: bytes in fsspec (a local folder, or s3:// and the like), their rows in SQL.

Bytes are written first, under a unique key, and the row that names them after: a file
without a row is rubbish that is never seen, a row without its file does not happen.
"""

import datetime
import hashlib
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import fsspec
import sqlalchemy as sa
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy.orm import Mapped, Session, mapped_column
from uuid_utils.compat import uuid7

from jobyard.shared.database import Base, UtcDateTime, utcnow
from jobyard.shared.errors import ConfigError, NotFound, TooLarge

CHUNK_BYTES = 1 << 20
# What `put` makes: a folder and a UUID.
KEY = re.compile(r"[a-z]+/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class File(Base):
    """An uploaded file (`job_id` is None) or an artifact of a job, under a name."""

    __tablename__ = "files"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    job_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(sa.String(255))
    media_type: Mapped[str] = mapped_column(sa.String(255))
    storage_key: Mapped[str] = mapped_column(sa.String(500), unique=True)
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    __table_args__ = (sa.UniqueConstraint("job_id", "name"),)


@dataclass(frozen=True)
class Stored:
    """What was written: its key, size in bytes and SHA-256 in hex."""

    key: str
    bytes: int
    sha256: str


class Storage:
    """Bytes under keys such as `files/…` and `models/…`. Raises ConfigError for an address it can't use."""

    def __init__(self, url: str) -> None:
        self._fs: Any
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:  # no such protocol, or its package is not installed
            # Not the address itself: it may hold a key.
            raise ConfigError(f"JOBYARD_STORAGE_URL: can't use this address: {error}") from None
        self.is_local = isinstance(self._fs, LocalFileSystem)

    def put(self, folder: str, stream: IO[bytes], limit: int | None = None) -> Stored:
        """Write a stream under a new key in `folder`. Raises TooLarge past `limit` bytes, leaving nothing."""
        key = f"{folder}/{uuid.uuid4()}"
        path = self._path(key)
        digest = hashlib.sha256()
        size = 0
        try:
            self._fs.makedirs(self._fs._parent(path), exist_ok=True)
            with self._fs.open(path, "wb") as target:
                while chunk := stream.read(CHUNK_BYTES):
                    size += len(chunk)
                    if limit is not None and size > limit:
                        raise TooLarge(f"should have at most {limit:,} bytes")
                    digest.update(chunk)
                    target.write(chunk)
        except BaseException:
            self.delete(key)
            raise
        return Stored(key, size, digest.hexdigest())

    def put_file(self, folder: str, path: Path) -> Stored:
        """Write a local file under a new key in `folder`."""
        with path.open("rb") as stream:
            return self.put(folder, stream)

    def move_file(self, folder: str, path: Path) -> str:
        """Move a local file under a new key in `folder`; returns the key.

        For large files that are written often: on one file system it costs nothing, and no SHA-256 is
        computed anywhere.
        """
        key = f"{folder}/{uuid.uuid4()}"
        target = self._path(key)
        try:
            self._fs.makedirs(self._fs._parent(target), exist_ok=True)
            if self.is_local:
                shutil.move(path, target)
            else:
                with path.open("rb") as source, self._fs.open(target, "wb") as file:
                    shutil.copyfileobj(source, file, CHUNK_BYTES)
                path.unlink()
        except BaseException:
            self.delete(key)
            raise
        return key

    def open(self, key: str) -> IO[bytes]:
        """Raises NotFound."""
        try:
            return self._fs.open(self._path(key), "rb")  # type: ignore[no-any-return]
        except FileNotFoundError:
            raise NotFound(f"the file {key} is missing from the storage") from None

    @contextmanager
    def local(self, key: str, scratch: Path) -> Iterator[Path]:
        """The file as a path on this machine: itself if the storage is local, else a copy in `scratch`."""
        if self.is_local:
            path = Path(self._path(key))
            if not path.is_file():
                raise NotFound(f"the file {key} is missing from the storage")
            yield path
            return
        path = scratch / PurePosixPath(key).name
        with self.open(key) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, CHUNK_BYTES)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def address(self, key: str) -> tuple[str, Any]:
        """For readers with file systems of their own: a path on this machine and None, or else an address
        and the fsspec file system that knows it. Raises NotFound.
        """
        path = self._path(key)
        if not self._fs.isfile(path):
            raise NotFound(f"the file {key} is missing from the storage")
        return (path, None) if self.is_local else (self._fs.unstrip_protocol(path), self._fs)

    def delete(self, key: str) -> None:
        """Remove the file if it is there."""
        try:
            self._fs.rm_file(self._path(key))
        except FileNotFoundError:
            return

    def keys(self, older_than_seconds: float) -> list[str]:
        """Our keys that were written so long ago, by the storage's clock or this machine's.

        The folder or bucket may hold what is not ours: only what looks like a key counts.
        """
        if not self._fs.exists(self._root):
            return []
        before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=older_than_seconds)
        prefix = self._root.rstrip("/") + "/"
        keys = (path.removeprefix(prefix) for path in self._fs.find(self._root))
        return sorted(key for key in keys if KEY.fullmatch(key) and self._is_older(key, before))

    def _is_older(self, key: str, moment: datetime.datetime) -> bool:
        try:
            written: datetime.datetime = self._fs.modified(self._path(key))
        except FileNotFoundError:  # another sweeper deleted it
            return False
        return (written if written.tzinfo else written.replace(tzinfo=datetime.UTC)) < moment

    def check(self) -> None:
        """Write and remove a byte. Raises OSError where that is not possible."""
        path = self._path(f"check-{uuid.uuid4()}")
        self._fs.makedirs(self._fs._parent(path), exist_ok=True)
        with self._fs.open(path, "wb") as file:
            file.write(b".")
        self._fs.rm_file(path)

    def _path(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{key}"


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


def artifacts(session: Session, job_id: uuid.UUID) -> list[File]:
    """A job's artifacts, by name."""
    return list(session.scalars(sa.select(File).where(File.job_id == job_id).order_by(File.name)))


def file_names(session: Session, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The names of those of the files that there are."""
    found = session.execute(sa.select(File.id, File.name).where(File.id.in_(set(ids))))
    return dict(found.all())
