"""The queues as readers see them: queued and running jobs, and running workers."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.jobs import Job, State
from jobyard.shared.kinds.base import Queue
from jobyard.shared.registrations import listening


@dataclass(frozen=True)
class QueueView:
    """One queue now. `oldest_waiting_seconds` is of the job that could have run for the longest."""

    name: str
    depth: int
    depth_is_exact: bool
    running: int
    # Of the running ones.
    stalled: int
    oldest_waiting_seconds: float | None
    workers: list[str]


def view(session: Session) -> list[QueueView]:
    """All queues."""
    return [_view(session, queue.value) for queue in Queue]


def _view(session: Session, queue: str) -> QueueView:
    at_work = sa.select(sa.func.count(), sa.func.count(Job.stalled_since))
    running, stalled = session.execute(at_work.where(Job.state == State.RUNNING, Job.queue == queue)).one()
    depth = jobs.count_queued(session, queue)
    oldest = jobs.oldest_wait_seconds(session, queue)
    return QueueView(
        name=queue,
        depth=depth.jobs,
        depth_is_exact=depth.is_exact,
        running=running,
        stalled=stalled,
        oldest_waiting_seconds=None if oldest is None else round(oldest, 3),
        workers=listening(session, queue),
    )
