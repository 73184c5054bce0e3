"""The queues as readers see them: queued and running jobs, and running workers."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.jobs import Job, State
from jobyard.shared.kinds.base import Queue
from jobyard.shared.registrations import listening


@dataclass(frozen=True)
class QueueView:
    """One queue now. `oldest_waiting_seconds` is of the job that could have run for the longest."""

    name: str
    depth: int
    running: int
    oldest_waiting_seconds: float | None
    workers: list[str]


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
