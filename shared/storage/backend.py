"""Bytes under keys, in fsspec: a local folder, or s3:// and the like."""

import datetime
import hashlib
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from jobyard.shared.errors import ConfigError, NotFound, TooLarge

CHUNK_BYTES = 1 << 20
# What `put` makes: a folder and a UUID.
KEY = re.compile(r"[a-z]+/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


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

    @property
    def folder(self) -> Path | None:
        """Where the files lie on this machine; None if they lie elsewhere."""
        return Path(self._root) if self.is_local else None

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
        """Raises OSError where the storage can't be read. Writes nothing."""
        with suppress(FileNotFoundError):  # the first file makes the folder
            self._fs.info(self._root)

    def _path(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{key}"
