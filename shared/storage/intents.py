"""Intents: keys whose bytes are being written or are to be deleted, recorded before either is done.

Nothing else is ever deleted. A key gets a row before its bytes are written, and loses it in the transaction
that refers to the key; it gets one again in the transaction that removes the last reference, and loses it
when the bytes are gone. What was killed in between is left with a row, and the sweeper finishes it.
"""

import datetime
import enum
import uuid
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, UtcDateTime, insert_into, utcnow


class Reason(enum.StrEnum):
    """Why a key has an intent: it is being written, or why its bytes are to be deleted."""

    WRITTEN = "written"
    REPLACED = "replaced"
    ENDED = "ended"
    RETRIED = "retried"
    EXPIRED = "expired"
    DELETED = "deleted"
    UNUSED = "unused"


# For the log.
GLOSS = {
    Reason.WRITTEN: "it was never completed",
    Reason.REPLACED: "a newer one replaced it",
    Reason.ENDED: "the job that needed it has ended",
    Reason.RETRIED: "its job was retried from the start",
    Reason.EXPIRED: "its retention is over",
    Reason.DELETED: "it was deleted by a user",
    Reason.UNUSED: "its job did not keep it",
}


class PendingKey(Base):
    """A key of the storage that this database has begun to write or to delete, and not finished."""

    __tablename__ = "pending_keys"

    key: Mapped[str] = mapped_column(sa.String(500), primary_key=True)
    reason: Mapped[str] = mapped_column(sa.String(16))
    since: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    # Of the attempt that writes it: as long as that runs, the key is not abandoned.
    lease: Mapped[uuid.UUID | None]

    __table_args__ = (sa.Index("ix_pending_keys_since", "since"),)


def begin(connection: sa.Connection, key: str, lease: uuid.UUID | None = None) -> None:
    """Record that bytes will be written under this key: commit before they are."""
    connection.execute(
        sa.insert(PendingKey).values(key=key, reason=Reason.WRITTEN, since=utcnow(), lease=lease)
    )


def plan_deletion(session: Session, keys: Iterable[str], reason: Reason) -> None:
    """Record that these keys are to be deleted, in the transaction that removes the last reference."""
    # In one order, so that two transactions can't lock each other out.
    if not (rows := [{"key": key} for key in sorted(set(keys))]):
        return
    insert = insert_into(session.get_bind(), PendingKey.__table__)
    put = insert.values(reason=reason, since=utcnow(), lease=None)
    new = {"reason": put.excluded.reason, "since": put.excluded.since, "lease": None}
    session.execute(put.on_conflict_do_update(index_elements=["key"], set_=new), rows)


def complete(session: Session, keys: Sequence[str]) -> None:
    """Forget the intents of these keys: a row refers to them now, or their bytes are gone."""
    for start in range(0, len(keys), 500):
        theirs = PendingKey.key.in_(keys[start : start + 500])
        session.execute(sa.delete(PendingKey).where(theirs), execution_options={"synchronize_session": False})


def postpone(session: Session, keys: Sequence[str]) -> None:
    """Put these last: what can't be deleted now should not hold up the others."""
    if keys:
        later = sa.update(PendingKey).where(PendingKey.key.in_(keys)).values(since=utcnow())
        session.execute(later, execution_options={"synchronize_session": False})
