"""What operators have set for a queue: whether it is paused, and how many of its jobs may run at once.

A queue without a row has neither. `jobs.claim` reads the row in its own statement.
"""

import datetime
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, UtcDateTime, insert_into, utcnow
from jobyard.shared.errors import NotFound
from jobyard.shared.kinds.base import Queue
from jobyard.shared.texts import OutsideText
from jobyard.shared.webhooks import note_queue_paused

MAX_REASON: Final = 500
MAX_LIMIT: Final = 1_000_000


class QueueControl(Base):
    """One queue that is paused or limited, or was."""

    __tablename__ = "queues"

    name: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    paused_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    paused_by: Mapped[str | None] = mapped_column(sa.String(255))
    pause_reason: Mapped[str | None] = mapped_column(OutsideText(MAX_REASON))
    # At most so many of its jobs run at once; None: as many as there are processes.
    running_limit: Mapped[int | None]

    __table_args__ = (
        sa.CheckConstraint("running_limit >= 1", name="limit"),
        sa.CheckConstraint(
            "paused_at IS NOT NULL OR (paused_by IS NULL AND pause_reason IS NULL)", name="paused_says_why"
        ),
    )


QUEUES: Final = cast(sa.Table, QueueControl.__table__)


def pause(session: Session, name: str, *, by: str | None = None, reason: str | None = None) -> None:
    """Start no more jobs of the queue; those that run end normally. A paused queue gets the new reason.

    Webhooks are told of one that was not paused yet. Raises NotFound.
    """
    was_paused = session.scalar(sa.select(QUEUES.c.paused_at).where(QUEUES.c.name == name)) is not None
    since = sa.func.coalesce(QUEUES.c.paused_at, utcnow())
    _set(session, name, {"paused_at": utcnow()}, {"paused_at": since}, paused_by=by, pause_reason=reason)
    if not was_paused:
        note_queue_paused(session, name, by=by, reason=reason)


def resume(session: Session, name: str) -> None:
    """Start jobs of the queue again. Commit, then wake its workers. Raises NotFound."""
    _set(session, name, paused_at=None, paused_by=None, pause_reason=None)


def set_limit(session: Session, name: str, limit: int | None) -> None:
    """At most so many jobs of the queue run at once; None: no limit. More that run already end normally.

    Commit, then wake its workers. Raises NotFound.
    """
    _set(session, name, running_limit=limit)


def controls(session: Session) -> dict[str, QueueControl]:
    """What was set, by queue; those that nothing was set for are left out."""
    return {one.name: one for one in session.scalars(sa.select(QueueControl))}


def paused(session: Session) -> list[QueueControl]:
    """The queues that are paused."""
    query = sa.select(QueueControl).where(QueueControl.paused_at.is_not(None)).order_by(QueueControl.name)
    return list(session.scalars(query))


def require(name: str) -> None:
    """Raises NotFound if there is no such queue."""
    if name not in set(Queue):
        raise NotFound(f"there is no queue {name[:50]!r}; the queues are {', '.join(Queue)}")


def _set(
    session: Session,
    name: str,
    new: dict[str, Any] | None = None,
    changed: dict[str, Any] | None = None,
    **values: Any,
) -> None:
    require(name)
    insert = insert_into(session.get_bind(), QUEUES).values(name=name, **(new or {}), **values)
    session.execute(insert.on_conflict_do_update(index_elements=["name"], set_={**(changed or {}), **values}))
