"""Bytes under keys, in fsspec: a local folder, or s3:// and the like."""

import datetime
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractBufferedFile

from jobyard.shared.errors import ConfigError, NotFound, TooLarge
from jobyard.shared.storage.back_ends import WITHOUT_FOLDERS, file_system
from jobyard.shared.storage.guard import Guard
from jobyard.shared.storage.reader import Reader

# Larger ones take twice the time: each would be memory that the system gives anew.
CHUNK_BYTES = 256 << 10
# Of what is kept at the storage's root.
MAX_NOTE_BYTES = 1 << 16
# What `new_key` makes: a folder and a UUID.
KEY = re.compile(r"[a-z]+/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Stored:
    """What was written: its key, size in bytes and SHA-256 in hex."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Listed:
    """What a listing says of a key; `written` is None where the file system knows no times."""

    key: str
    bytes: int
    written: datetime.datetime | None


def new_key(folder: str) -> str:
    """A key that nothing has yet."""
    return f"{folder}/{uuid.uuid4()}"


class Objects:
    """Bytes under keys such as `files/…`, with no thought of who may write or delete them: see `Storage`.

    Raises ConfigError for an address that it can't use. Its methods, and the files that it opens, raise
    StorageAway, StorageRefused and DiskFull, whatever the back end does (see `failures`): within 5 s where it
    does not answer, or later if `patient`.
    """

    def __init__(self, url: str, *, patient: bool = False) -> None:
        self._fs: Any
        try:
            self._fs, self._root = file_system(url, patient=patient)
        except (ImportError, ValueError) as error:  # no such protocol, or its package is not installed
            # Not the address itself: it may hold a key.
            raise ConfigError(f"JOBYARD_STORAGE_URL: can't use this address: {error}") from None
        self.is_local = isinstance(self._fs, LocalFileSystem)
        protocols = {self._fs.protocol} if isinstance(self._fs.protocol, str) else {*self._fs.protocol}
        self._has_folders = not protocols & WITHOUT_FOLDERS
        self._guard = Guard(self.place)

    @property
    def folder(self) -> Path | None:
        """Where the files lie on this machine; None if they lie elsewhere."""
        return Path(self._root) if self.is_local else None

    @property
    def place(self) -> str:
        """The folder or bucket, for people: without a user or password that the address may hold."""
        return str(self._root) if self.is_local else str(self._root).rpartition("@")[2]

    def write(self, key: str, stream: IO[bytes], limit: int | None = None) -> Stored:
        """Write a stream under this key. Raises TooLarge past `limit` bytes; what was written may stay."""
        digest = hashlib.sha256()
        size = 0
        with self._writing(key) as write:
            while chunk := stream.read(CHUNK_BYTES):
                size += len(chunk)
                if limit is not None and size > limit:
                    raise TooLarge(f"should have at most {limit:,} bytes")
                digest.update(chunk)
                write(chunk)
        return Stored(key, size, digest.hexdigest())

    def move(self, key: str, path: Path) -> None:
        """Move a local file under this key: on one file system that costs nothing."""
        if self.is_local:
            path.stat()  # what is missing here is not missing from the storage
            with self._guard.begins(key):
                self._make_folder(self._path(key))
                shutil.move(path, self._path(key))
            return
        with path.open("rb") as source, self._writing(key) as write:
            while chunk := source.read(CHUNK_BYTES):
                write(chunk)
        path.unlink()

    def take(self, key: str, path: Path) -> Stored:
        """`move`, and what was moved."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        stored = Stored(key, path.stat().st_size, digest)
        self.move(key, path)
        return stored

    def open(self, key: str) -> IO[bytes]:
        """Raises NotFound. Reading raises what `Objects` raises."""
        with self._guard.begins(key):
            return cast(IO[bytes], Reader(self._fs.open(self._path(key), "rb"), self._guard, key))

    @contextmanager
    def local(self, key: str, scratch: Path) -> Iterator[Path]:
        """The file as a path on this machine: itself if the storage is local, else a copy in `scratch`."""
        if self.is_local:
            path = Path(self._path(key))
            if not self.exists(key):
                raise NotFound(f"the file {key} is missing from the storage")
            yield path
            return
        path = scratch / PurePosixPath(key).name
        try:
            with self.open(key) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, CHUNK_BYTES)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def address(self, key: str) -> tuple[str, Any]:
        """For readers with file systems of their own: a path on this machine and None, or else an address
        and the fsspec file system that knows it. Raises NotFound.
        """
        path = self._path(key)
        if not self.exists(key):
            raise NotFound(f"the file {key} is missing from the storage")
        return (path, None) if self.is_local else (self._fs.unstrip_protocol(path), self._fs)

    def delete(self, key: str) -> None:
        """Remove the file if it is there."""
        with suppress(NotFound), self._guard.begins(key):
            self._fs.rm_file(self._path(key))

    def exists(self, key: str) -> bool:
        """Whether there are bytes under this key."""
        try:
            with self._guard.begins(key):
                return bool(self._fs.info(self._path(key))["type"] == "file")
        except NotFound:
            return False

    def listing(self) -> Iterator[Listed]:
        """All that has a key of ours. The folder or bucket may hold what is not ours, which is left out."""
        for folder in self._ls(self._root):
            name = folder["name"].rstrip("/").rpartition("/")[2]
            if folder["type"] != "directory" or not name.isalpha():
                continue
            for one in self._ls(folder["name"]):
                key = f"{name}/{one['name'].rpartition('/')[2]}"
                if one["type"] == "file" and KEY.fullmatch(key):
                    yield Listed(key, int(one["size"] or 0), _written(one))

    def _ls(self, path: str) -> list[dict[str, Any]]:
        try:
            with self._guard.begins():
                found: list[dict[str, Any]] = self._fs.ls(path, detail=True)
        except NotFound:
            return []
        return found

    def read_note(self, name: str) -> bytes | None:
        """A small object at the root; None if there is none."""
        try:
            with self._guard.begins(name):
                found: bytes = self._fs.cat_file(self._path(name), start=0, end=MAX_NOTE_BYTES)
        except NotFound:
            return None
        return found

    def write_note(self, name: str, content: bytes, *, new: bool = False) -> bool:
        """Write a small object at the root, whole or not at all.

        `new`: only if there is none, and False if there was one.
        """
        path = self._path(name)
        with self._guard.begins(name):
            self._make_folder(path)
            if self.is_local:
                return _write_local_note(Path(path), content, new)
            try:
                self._fs.pipe_file(path, content, mode="create" if new else "overwrite")
            except FileExistsError:
                return False
        return True

    @contextmanager
    def _writing(self, key: str) -> Iterator[Callable[[bytes], object]]:
        """What writes under this key: whole at the end, given up where an exception leaves the context."""
        path = self._path(key)
        with self._guard.begins(key):
            self._make_folder(path)
            file = self._fs.open(path, "wb")

        def write(data: bytes) -> None:
            with self._guard.continues(key):
                file.write(data)

        try:
            yield write
            with self._guard.continues(key):
                file.close()
        except BaseException:
            self._give_up(file)
            raise

    def _give_up(self, file: Any) -> None:
        """Close without what is left to be written, and delete the parts of a large object if possible."""
        with suppress(Exception):  # nothing refers to it
            if not isinstance(file, AbstractBufferedFile):
                file.close()
                return
            file.closed = True
            if not self._guard.is_away:
                file.discard()

    def _make_folder(self, path: str) -> None:
        if self._has_folders:
            self._fs.makedirs(self._fs._parent(path), exist_ok=True)

    def _path(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{key}"


def _written(info: dict[str, Any]) -> datetime.datetime | None:
    """Of a listing's entry: each file system has a name of its own for it."""
    names = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")
    found = next((info[name] for name in names if info.get(name)), None)
    if isinstance(found, int | float):
        return datetime.datetime.fromtimestamp(found, datetime.UTC)
    if isinstance(found, datetime.datetime):
        return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    return None


def _write_local_note(path: Path, content: bytes, new: bool) -> bool:
    draft = path.with_name(f".{path.name}-{uuid.uuid4()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if new:
            os.link(draft, path)
        else:
            draft.replace(path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True
