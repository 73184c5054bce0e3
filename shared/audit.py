"""The audit log: who changed what for others. Jobs have their timelines instead."""

import datetime
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, NullableJson, UtcDateTime, utcnow
from jobyard.shared.texts import OutsideText

OBJECT_CHARACTERS = 200


class AuditEntry(Base):
    """One action of one token. Nothing changes or deletes it."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    # The token's name.
    actor: Mapped[str] = mapped_column(sa.String(64))
    # A noun and a verb: `token.create`, `queue.pause`, `model.delete`.
    action: Mapped[str] = mapped_column(sa.String(64))
    # What it was done to: a name, a reference or an id.
    object: Mapped[str] = mapped_column(OutsideText(OBJECT_CHARACTERS))
    details: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)


def note(
    session: Session | sa.Connection,
    actor: str,
    action: str,
    object: str,  # noqa: A002 - the column's own name
    details: dict[str, Any] | None = None,
) -> None:
    """Leave a row in the transaction of the action itself. `details` hold nothing that is secret."""
    row = {"actor": actor, "action": action, "object": object[:OBJECT_CHARACTERS], "details": details}
    session.execute(sa.insert(AuditEntry).values(at=utcnow(), **row))


def page(
    session: Session,
    *,
    actor: str | None = None,
    action: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Sequence[AuditEntry]:
    """Entries, newest first; `action` is a whole one, or a noun with its point: `token.`."""
    query = sa.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if actor is not None:
        query = query.where(AuditEntry.actor == actor)
    if action is not None:
        query = query.where(
            AuditEntry.action.startswith(action, autoescape=True)
            if action.endswith(".")
            else AuditEntry.action == action
        )
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return session.scalars(query).all()
