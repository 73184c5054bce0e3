"""The storage of one database: no bytes are written or deleted there that the database doesn't know of."""

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from jobyard.shared.database import Database
from jobyard.shared.errors import DiskFull, StorageAway, StorageFailed
from jobyard.shared.storage import intents
from jobyard.shared.storage.identity import Identity
from jobyard.shared.storage.intents import GLOSS, Reason
from jobyard.shared.storage.objects import Objects, Stored, new_key

log = logging.getLogger(__name__)


class Storage:
    """Bytes under keys. Raises ConfigError for an address that it can't use.

    Its methods raise ConfigError where the storage is another database's (see `Identity.require`),
    StorageFailed or DiskFull where it can't be used (see `Objects`), and the errors of SQLAlchemy where the
    database can't be reached. Call none that writes in a transaction.
    """

    def __init__(self, url: str, database: Database, *, patient: bool = False) -> None:
        self.objects = Objects(url, patient=patient)
        self.identity = Identity(self.objects, database)
        self.is_local = self.objects.is_local
        self._database = database

    @property
    def folder(self) -> Path | None:
        """Where the files lie on this machine; None if they lie elsewhere."""
        return self.objects.folder

    def put(
        self, folder: str, stream: IO[bytes], limit: int | None = None, *, lease: uuid.UUID | None = None
    ) -> Stored:
        """Write a stream under a new key in `folder`. Raises TooLarge past `limit` bytes, leaving nothing.

        `lease`: of the attempt that writes it.
        """
        with self._intending(folder, lease) as key:
            return self.objects.write(key, stream, limit)

    def put_file(self, folder: str, path: Path, *, lease: uuid.UUID | None = None) -> Stored:
        """Write a local file under a new key in `folder`."""
        with path.open("rb") as stream:
            return self.put(folder, stream, lease=lease)

    def take_file(self, folder: str, path: Path, *, lease: uuid.UUID | None = None) -> Stored:
        """Move a local file under a new key in `folder`: on one file system, that copies nothing."""
        with self._intending(folder, lease) as key:
            return self.objects.take(key, path)

    def move_file(self, folder: str, path: Path, *, lease: uuid.UUID | None = None) -> str:
        """The same for large files that are written often: no SHA-256 is computed. Returns the key."""
        with self._intending(folder, lease) as key:
            self.objects.move(key, path)
            return key

    def open(self, key: str) -> IO[bytes]:
        """Raises NotFound."""
        self.identity.require()
        return self.objects.open(key)

    @contextmanager
    def local(self, key: str, scratch: Path) -> Iterator[Path]:
        """The file as a path on this machine: itself if the storage is local, else a copy in `scratch`."""
        self.identity.require()
        with self.objects.local(key, scratch) as path:
            yield path

    def address(self, key: str) -> tuple[str, Any]:
        """For readers with file systems of their own: a path on this machine and None, or else an address
        and the fsspec file system that knows it. Raises NotFound.
        """
        self.identity.require()
        return self.objects.address(key)

    def discard(self, key: str) -> None:
        """Take back what this process has put under this key, and nothing refers to."""
        with suppress(StorageFailed, DiskFull, sa.exc.SQLAlchemyError):  # the sweeper tries again
            self._delete(key, Reason.WRITTEN)
            with self._database.write() as session:
                intents.complete(session, [key])

    def remove(self, keys: Mapping[str, str] | Sequence[str], reason: Reason | None = None) -> int:
        """Delete bytes whose deletion was recorded and committed (`plan_deletion`), and forget the intents.

        Each key with its reason, or all with one. Returns how many are gone; none, if another database or
        copy of this one may need them. What can't be deleted now is left to the sweeper.
        """
        given = keys if isinstance(keys, Mapping) else dict.fromkeys(keys, reason or Reason.DELETED)
        gone: list[str] = []
        try:
            if not given or not self.identity.may_delete():
                return 0
            for key, why in given.items():
                try:
                    self._delete(key, Reason(why))
                    gone.append(key)
                except (StorageFailed, DiskFull) as error:
                    log.warning("can't delete %s from the storage, will retry: %s", key, error.message)
                    if isinstance(error, StorageAway):
                        break  # the others would only wait, too
            with self._database.write() as session:
                intents.complete(session, gone)
                intents.postpone(session, [key for key in given if key not in set(gone)])
        except (StorageFailed, DiskFull, sa.exc.SQLAlchemyError) as error:
            log.warning("can't delete from the storage, will retry: %s", str(error).splitlines()[0])
        return len(gone)

    def check(self) -> None:
        """Raises StorageFailed or NotFound where the storage can't be read. Writes nothing."""
        self.identity.check()

    @contextmanager
    def _intending(self, folder: str, lease: uuid.UUID | None) -> Iterator[str]:
        self.identity.require()
        key = new_key(folder)
        with self._database.begin() as connection:
            intents.begin(connection, key, lease)
        try:
            yield key
        except BaseException:
            self.discard(key)
            raise

    def _delete(self, key: str, reason: Reason) -> None:
        self.objects.delete(key)
        log.info("deleted %s from the storage: %s", key, GLOSS[reason])
