"""The queues as readers see them: jobs, running workers, and what operators have set."""

import datetime
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs, outcomes, queue_controls
from jobyard.shared.database import as_text, utcnow
from jobyard.shared.jobs import Job, State
from jobyard.shared.kinds.base import Queue
from jobyard.shared.outcomes import Lately, Outcomes
from jobyard.shared.queue_controls import QueueControl
from jobyard.shared.registrations import ALIVE_SECONDS, Worker, listening


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
    # Jobs that have ended lately.
    last_hour: Outcomes
    last_day: Outcomes


def view(session: Session) -> list[QueueView]:
    """All queues."""
    controls = queue_controls.controls(session)
    ended = outcomes.lately(session)
    return [
        _view(session, queue.value, controls.get(queue.value), ended.get(queue.value, Lately()))
        for queue in Queue
    ]


def find(session: Session, name: str) -> QueueView:
    """One queue. Raises NotFound."""
    queue_controls.require(name)
    ended = outcomes.lately(session).get(name, Lately())
    return _view(session, name, queue_controls.controls(session).get(name), ended)


def gauges(session: Session) -> list[tuple[str, str, int]]:
    """Numbers of the queues by name and queue, in one statement; those that are 0 are left out."""
    statement = as_text(_GAUGES, session.get_bind().dialect)
    return [(name, queue, number) for name, queue, number in session.connection().execute(statement)]


_IS_RUNNING: Final = Worker.seen_at > utcnow(-ALIVE_SECONDS)
_COUNT: Final = sa.func.count()
_GAUGES: Final = sa.union_all(
    *(
        sa.select(sa.literal(name), Worker.queue, _COUNT).where(_IS_RUNNING, which).group_by(Worker.queue)
        for name, which in (
            ("workers", Worker.draining_since.is_(None)),
            ("draining_workers", Worker.draining_since.is_not(None)),
        )
    ),
    sa.select(sa.literal("stalled_jobs"), Job.queue, _COUNT)
    .where(Job.state == State.RUNNING, Job.stalled_since.is_not(None))
    .group_by(Job.queue),
    sa.select(sa.literal("queue_paused"), QueueControl.name, sa.literal(1)).where(
        QueueControl.paused_at.is_not(None)
    ),
)


def _view(session: Session, queue: str, control: QueueControl | None, ended: Lately) -> QueueView:
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
        last_hour=ended.hour,
        last_day=ended.day,
    )
