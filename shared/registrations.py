"""The running workers: each registers itself, and renews that."""

import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, UtcDateTime, insert_into, utcnow

# How often a worker renews its registration, and how long it counts as running after that.
REGISTER_SECONDS: Final = 5.0
ALIVE_SECONDS: Final = 3 * REGISTER_SECONDS
# A registration that was not renewed for so long is deleted: names of containers don't come again.
FORGOTTEN_SECONDS: Final = 3600.0


class Worker(Base):
    """A worker of a queue, as it last registered."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    queue: Mapped[str] = mapped_column(sa.String(32))
    started_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    __table_args__ = (sa.Index("ix_workers_queue_seen_at", "queue", "seen_at"),)


def register(session: Session, *, name: str, queue: str) -> None:
    """Insert or renew a worker's row, every REGISTER_SECONDS."""
    statement = insert_into(session.get_bind(), Worker).values(
        name=name, queue=queue, started_at=utcnow(), seen_at=utcnow()
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"queue": queue, "seen_at": statement.excluded.seen_at},
        )
    )
    session.execute(sa.delete(Worker).where(Worker.seen_at < utcnow(-FORGOTTEN_SECONDS)))


def deregister(session: Session, name: str) -> None:
    """Delete a worker's row, when it ends."""
    session.execute(sa.delete(Worker).where(Worker.name == name))


def listening(session: Session, queue: str) -> list[str]:
    """The names of a queue's running workers."""
    return list(
        session.scalars(
            sa.select(Worker.name)
            .where(Worker.queue == queue, Worker.seen_at > utcnow(-ALIVE_SECONDS))
            .order_by(Worker.name)
        )
    )
