"""The queues as readers see them: jobs, running workers, and what operators have set."""

import datetime
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs, queue_controls
from jobyard.shared.jobs import Job, State
from jobyard.shared.kinds.base import Queue
from jobyard.shared.queue_controls import QueueControl
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
    # Since when no job of it is started, and who wanted that, and why.
    paused_at: datetime.datetime | None
    paused_by: str | None
    pause_reason: str | None
    # At most so many of its jobs run at once.
    limit: int | None


def view(session: Session) -> list[QueueView]:
    """All queues."""
    controls = queue_controls.controls(session)
    return [_view(session, queue.value, controls.get(queue.value)) for queue in Queue]


def find(session: Session, name: str) -> QueueView:
    """One queue. Raises NotFound."""
    queue_controls.require(name)
    return _view(session, name, queue_controls.controls(session).get(name))


def _view(session: Session, queue: str, control: QueueControl | None) -> QueueView:
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
        paused_at=None if control is None else control.paused_at,
        paused_by=None if control is None else control.paused_by,
        pause_reason=None if control is None else control.pause_reason,
        limit=None if control is None else control.running_limit,
    )
