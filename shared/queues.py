"""The queues as their watchers see them: what waits, what runs, and which workers are alive."""

import datetime
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, UtcDateTime, utcnow
from jobyard.shared.jobs import Job, State
from jobyard.shared.kinds.base import Queue

# How often a worker says that it is there, and how long it is believed.
PRESENCE_SECONDS = 5.0
BELIEVED_SECONDS = 3 * PRESENCE_SECONDS
# Who was silent for so long is forgotten: a container's name never comes again.
FORGOTTEN_SECONDS = 3600.0


class Worker(Base):
    """A worker of a queue, as it last said."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    queue: Mapped[str] = mapped_column(sa.String(32))
    started_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    __table_args__ = (sa.Index("ix_workers_queue_seen_at", "queue", "seen_at"),)


@dataclass(frozen=True)
class QueueView:
    """One queue now. `oldest_waiting_seconds` is of the job that could have run for the longest."""

    name: str
    depth: int
    running: int
    oldest_waiting_seconds: float | None
    workers: list[str]


def say_present(session: Session, *, name: str, queue: str) -> None:
    """A worker is there; to be said every PRESENCE_SECONDS."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(Worker).values(name=name, queue=queue, started_at=utcnow(), seen_at=utcnow())
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"queue": queue, "seen_at": statement.excluded.seen_at},
        )
    )
    session.execute(sa.delete(Worker).where(Worker.seen_at < utcnow(-FORGOTTEN_SECONDS)))


def say_goodbye(session: Session, name: str) -> None:
    """A worker ends."""
    session.execute(sa.delete(Worker).where(Worker.name == name))


def listening(session: Session, queue: str) -> list[str]:
    """The names of a queue's workers that are alive."""
    return list(
        session.scalars(
            sa.select(Worker.name)
            .where(Worker.queue == queue, Worker.seen_at > utcnow(-BELIEVED_SECONDS))
            .order_by(Worker.name)
        )
    )


def view(session: Session) -> list[QueueView]:
    """All queues."""
    return [_view(session, queue.value) for queue in Queue]


def _view(session: Session, queue: str) -> QueueView:
    def count(state: State) -> int:
        found = sa.select(sa.func.count()).where(Job.state == state, Job.queue == queue)
        return session.scalar(found) or 0

    now, oldest = session.execute(
        sa.select(
            utcnow(),
            sa.select(sa.func.min(Job.available_at))
            .where(Job.state == State.QUEUED, Job.queue == queue, Job.available_at <= utcnow())
            .scalar_subquery(),
        )
    ).one()
    return QueueView(
        name=queue,
        depth=count(State.QUEUED),
        running=count(State.RUNNING),
        oldest_waiting_seconds=None if oldest is None else round((now - oldest).total_seconds(), 3),
        workers=listening(session, queue),
    )
