"""Whose storage this is: an object at its root and a row in the database, which are compared.

Both hold the database's id, an epoch and a mark. A sweeper raises the epoch at its start and every few
minutes, first in the database, then in the storage, with a new mark. So an epoch in the storage that is newer
than the database's, or as new with another mark, was written by a later state of the database, or by a copy.
"""

import datetime
import json
import logging
import threading
import time
import uuid
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, Database, UtcDateTime, insert_into, utcnow
from jobyard.shared.errors import ConfigError, DiskFull, NotFound, StorageFailed
from jobyard.shared.storage.intents import PendingKey
from jobyard.shared.storage.known import sample
from jobyard.shared.storage.objects import Objects

log = logging.getLogger(__name__)

NAME = "jobyard-identity.json"
FORMAT = 1
# How often the log says again that nothing is deleted.
REMIND_SECONDS = 3_600.0
LIST_ORPHANS = "`python -m jobyard.shared.storage orphans`"
REMEDY = "`jobyard up --adopt`, or where no `jobyard up` runs `python -m jobyard.shared.storage adopt`"


class StorageIdentity(Base):
    """The one row that says which storage is this database's."""

    __tablename__ = "storage_identity"

    id: Mapped[int] = mapped_column(primary_key=True)
    database_id: Mapped[uuid.UUID]
    epoch: Mapped[int] = mapped_column(sa.BigInteger)
    mark: Mapped[uuid.UUID]
    # When the object was first written; None: it may not have been.
    claimed_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    orphans_counted_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    # Nothing is deleted until then: a backup copies the files (`holds`).
    held_until: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (sa.CheckConstraint("id = 1", name="one_row"),)


@dataclass(frozen=True)
class Mark:
    """What is compared: the database's id, its epoch, and the mark of that epoch."""

    database_id: uuid.UUID
    epoch: int
    mark: uuid.UUID

    def to_bytes(self) -> bytes:
        content = {
            "format": FORMAT,
            "database_id": str(self.database_id),
            "epoch": self.epoch,
            "mark": str(self.mark),
            "written_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        return json.dumps(content, indent=2).encode() + b"\n"

    @classmethod
    def of(cls, content: bytes) -> "Mark":
        """Raises ValueError for what is no identity."""
        try:
            found = json.loads(content)
            if found["format"] != FORMAT or type(found["epoch"]) is not int:
                raise ValueError("another format")
            return cls(uuid.UUID(found["database_id"]), found["epoch"], uuid.UUID(found["mark"]))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(type(error).__name__) from None

    def precedes(self, stored: "Mark") -> bool:
        """Whether the storage's was written by a later state of this database, or by a copy of it."""
        return stored.epoch > self.epoch or (stored.epoch == self.epoch and stored.mark != self.mark)


class Identity:
    """The identity of a storage and of a database, which are one or the storage is not used."""

    def __init__(self, objects: Objects, database: Database) -> None:
        self._objects = objects
        self._database = database
        self._lock = threading.Lock()
        self._is_ours = False
        self._remind_from = 0.0

    def require(self) -> None:
        """Make sure, once in a process, that the storage is this database's; claim it if it is new.

        Raises ConfigError if it is not; the errors of SQLAlchemy, or StorageFailed, if one can't be reached.
        """
        if self._is_ours:
            return
        with self._lock:
            if not self._is_ours:
                self._is_older()  # raises if it is not
                self._is_ours = True

    def require_at_start(self) -> None:
        """The same for a process that starts, and that can wait for a storage or database that is away."""
        try:
            self.require()
        except (StorageFailed, DiskFull, sa.exc.SQLAlchemyError) as error:
            reason = str(error).splitlines()[0]
            log.warning("can't compare storage and database yet, will do so before their use: %s", reason)

    def may_delete(self) -> bool:
        """Whether the storage is this database's at this moment, and no other copy of it uses it, and no
        backup holds deletions back.

        Says in the log why not, now and again. Raises what `require` raises, but for ConfigError.
        """
        try:
            if not self._is_older():
                return not self._is_held()
            why = (
                f"JOBYARD_STORAGE_URL: a later state or a second copy of this database used the storage "
                f"{self._objects.place}: is this a restored dump? Nothing is deleted from it; if no other "
                f"database uses it, {REMEDY}"
            )
        except ConfigError as error:
            why = f"{error.message}; nothing is deleted"
        if time.monotonic() >= self._remind_from:
            self._remind_from = time.monotonic() + REMIND_SECONDS
            log.warning("%s", why)
        return False

    def advance(self) -> None:
        """Raise the epoch. Nothing if another copy has: this one has lost the right to delete."""
        if not self.may_delete():
            return
        with self._database.write() as session:
            row = session.scalars(
                sa.update(StorageIdentity)
                .values(epoch=StorageIdentity.epoch + 1, mark=uuid.uuid4())
                .returning(StorageIdentity),
            ).one()
        # Committed before it is written: should this be the last thing, the storage's is older, and so ours.
        self._objects.write_note(NAME, _of(row).to_bytes())

    def adopt(self) -> bool:
        """Make the storage this database's, whoever's it was. False if it was already.

        What the database had begun to delete is forgotten: it may be another's by now.
        """
        try:
            stored, row = self._read(), self._row()
            if stored and row and row.database_id == stored.database_id and not _of(row).precedes(stored):
                return False
        except ConfigError as error:
            log.warning("%s", error.message)
            stored = None
        self._insert_row()
        with self._database.write() as session:
            row = session.get_one(StorageIdentity, 1)
            row.epoch = max(row.epoch, stored.epoch if stored else 0) + 1
            row.mark = uuid.uuid4()
            row.claimed_at = utcnow()
            session.execute(sa.delete(PendingKey))
            session.flush()
            mark = _of(row)
        self._objects.write_note(NAME, mark.to_bytes())
        self._is_ours = True
        log.warning("adopted the storage %s; its orphans are listed by %s", self._objects.place, LIST_ORPHANS)
        return True

    def check(self) -> None:
        """Raises StorageFailed, or NotFound where the storage has no identity. Writes nothing."""
        if self._objects.read_note(NAME) is None:
            raise NotFound("the storage has no identity")

    def _is_older(self) -> bool:
        """Whether the database is older than the storage says. Raises ConfigError if they are not one."""
        # In this order: an epoch that is read from the storage was committed before.
        stored, row = self._read(), self._row()
        if stored is None:
            stored, row = self._claim(row), self._row()
        if row is None or row.database_id != stored.database_id:
            raise ConfigError(self._foreign())
        if row.claimed_at is None:
            self._note_claim()
        return _of(row).precedes(stored)

    def _row(self) -> StorageIdentity | None:
        with self._database.read() as session:
            return session.get(StorageIdentity, 1)

    def _is_held(self) -> bool:
        with self._database.read() as session:
            return bool(session.scalar(sa.select(StorageIdentity.held_until > utcnow())))

    def _claim(self, row: StorageIdentity | None) -> Mark:
        """Write the identity of a storage that has none; returns what is there then."""
        if refusal := self._refusal(row):
            # Another process may have claimed and used it since it was read.
            stored = self._read()
            if stored is None:
                raise ConfigError(refusal)
            return stored
        self._insert_row()
        with self._database.read() as session:
            mark = _of(session.get_one(StorageIdentity, 1))
        # Of processes that start at once one writes it, and all read it.
        self._objects.write_note(NAME, mark.to_bytes(), new=True)
        return self._read() or mark

    def _refusal(self, row: StorageIdentity | None) -> str | None:
        """Why a storage without an identity is not this database's; None if it may be."""
        with self._database.read() as session:
            keys = sample(session)
        if keys:
            if any(self._objects.exists(key) for key in keys):
                return None
            return self._foreign() if self._has_keys() else self._missing()
        if self._has_keys():
            return self._foreign()
        return self._missing() if row is not None and row.claimed_at is not None else None

    def _has_keys(self) -> bool:
        return any(True for _ in self._objects.listing())

    def _insert_row(self) -> None:
        values = {"id": 1, "database_id": uuid.uuid4(), "epoch": 1, "mark": uuid.uuid4()}
        with self._database.begin() as connection:
            insert = insert_into(connection, StorageIdentity)
            connection.execute(insert.values(values).on_conflict_do_nothing())

    def _note_claim(self) -> None:
        claim = sa.update(StorageIdentity).where(StorageIdentity.claimed_at.is_(None))
        with self._database.begin() as connection:
            connection.execute(claim.values(claimed_at=utcnow()))

    def _read(self) -> Mark | None:
        """What the storage says. Raises ConfigError where that can't be understood."""
        content = self._objects.read_note(NAME)
        try:
            return None if content is None else Mark.of(content)
        except ValueError:
            raise ConfigError(
                f"JOBYARD_STORAGE_URL: {NAME} in the storage {self._objects.place} is damaged; restore it, "
                f"or if the storage is this database's, {REMEDY}"
            ) from None

    def _foreign(self) -> str:
        return (
            f"JOBYARD_STORAGE_URL: the storage {self._objects.place} belongs to another database than "
            f"that of JOBYARD_DATABASE_URL; correct one of them, or to give the storage to this one, {REMEDY}"
        )

    def _missing(self) -> str:
        return (
            f"JOBYARD_STORAGE_URL: this database has a storage, and {self._objects.place} is empty: is the "
            f"volume mounted, the bucket the right one? If its files are lost, {REMEDY}"
        )


def take_turn_to_count(session: Session, seconds: float) -> bool:
    """Whether the orphans are to be counted now: of all sweepers one does so, once in so many seconds."""
    counted = StorageIdentity.orphans_counted_at
    turn = (
        sa.update(StorageIdentity)
        .where(sa.or_(counted.is_(None), counted < utcnow(-seconds)))
        .values(orphans_counted_at=utcnow())
        .returning(StorageIdentity.id)
    )
    return session.scalar(turn) is not None


def _of(row: StorageIdentity) -> Mark:
    return Mark(row.database_id, row.epoch, row.mark)
