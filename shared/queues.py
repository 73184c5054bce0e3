"""The queues as readers see them: jobs, running workers, and what operators have set."""

import datetime
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard import __version__
from jobyard.shared import jobs, outcomes, queue_controls
from jobyard.shared.database import as_text, utcnow
from jobyard.shared.jobs import Job, State
from jobyard.shared.kinds.base import Queue
from jobyard.shared.outcomes import Lately, Outcomes
from jobyard.shared.queue_controls import QueueControl
from jobyard.shared.registrations import ALIVE_SECONDS, Worker, listening
from jobyard.shared.texts import duration

# With jobs that could have run for so long, workers that run nothing are no coincidence.
IDLE_SECONDS: Final = 60.0
AT_QUOTA: Final = (
    "its jobs are of tokens that run as many as their quota allows: they start when others of those end"
)


@dataclass(frozen=True)
class Owner:
    """The token that submitted them: how many of its jobs are queued and run in a queue."""

    name: str
    queued: int
    running: int


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
    # Running workers beside these, which take no more jobs.
    draining: int
    # What keeps its jobs from starting, if there is something; None: nothing, or none waits.
    blocked_by: str | None
    # Who has most of the queued jobs; the first has most.
    owners: list[Owner]
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
    return _views(session, [queue.value for queue in Queue])


def find(session: Session, name: str) -> QueueView:
    """One queue. Raises NotFound."""
    queue_controls.require(name)
    (found,) = _views(session, [name])
    return found


def gauges(session: Session) -> list[tuple[str, str, int]]:
    """Numbers of the queues by name and queue, in one statement; those that are 0 are left out."""
    statement = as_text(_GAUGES, session.get_bind().dialect)
    return [(name, queue, number) for name, queue, number in session.connection().execute(statement)]


_IS_RUNNING: Final = Worker.seen_at > utcnow(-ALIVE_SECONDS)
_COUNT: Final = sa.func.count()
_GAUGES: Final[sa.CompoundSelect[Any]] = sa.union_all(
    *(
        sa.select(sa.literal(name), Worker.queue, _COUNT).where(_IS_RUNNING, which).group_by(Worker.queue)
        for name, which in (
            ("workers", Worker.draining_since.is_(None)),
            ("draining_workers", Worker.draining_since.is_not(None)),
            ("other_version_workers", sa.func.coalesce(Worker.version, "") != __version__),
        )
    ),
    *(
        sa.select(sa.literal(name), Worker.queue, number)
        .where(_IS_RUNNING, Worker.min_free_bytes.is_not(None))
        .group_by(Worker.queue)
        for name, number in (
            ("disk_free_bytes", sa.func.min(Worker.free_bytes)),
            ("disk_min_free_bytes", sa.func.max(Worker.min_free_bytes)),
        )
    ),
    sa.select(sa.literal("stalled_jobs"), Job.queue, _COUNT)
    .where(Job.state == State.RUNNING, Job.stalled_since.is_not(None))
    .group_by(Job.queue),
    sa.select(sa.literal("queue_paused"), QueueControl.name, sa.literal(1)).where(
        QueueControl.paused_at.is_not(None)
    ),
)


def _views(session: Session, names: list[str]) -> list[QueueView]:
    controls = queue_controls.controls(session)
    ended = outcomes.lately(session)
    owners = jobs.read_owners(session, names)
    at_work = jobs.count_running_of_owners(session)
    return [
        _view(
            session,
            name,
            controls.get(name),
            ended.get(name, Lately()),
            [Owner(one.owner, one.jobs, at_work[name, one.owner]) for one in owners.get(name, [])],
        )
        for name in names
    ]


def _view(
    session: Session, queue: str, control: QueueControl | None, ended: Lately, owners: list[Owner]
) -> QueueView:
    at_work = sa.select(sa.func.count(), sa.func.count(Job.stalled_since))
    running, stalled = session.execute(at_work.where(Job.state == State.RUNNING, Job.queue == queue)).one()
    depth = jobs.count_queued(session, queue)
    oldest = jobs.oldest_wait_seconds(session, queue)
    draining = sa.select(sa.func.count()).where(
        Worker.queue == queue, _IS_RUNNING, Worker.draining_since.is_not(None)
    )
    found = QueueView(
        name=queue,
        # The owners of many jobs are counted more often.
        depth=depth.jobs if depth.is_exact else max(depth.jobs, sum(one.queued for one in owners)),
        depth_is_exact=depth.is_exact,
        running=running,
        stalled=stalled,
        oldest_waiting_seconds=None if oldest is None else round(oldest, 3),
        workers=listening(session, queue),
        draining=session.scalar(draining) or 0,
        blocked_by=None,
        owners=owners,
        paused_at=None if control is None else control.paused_at,
        paused_by=None if control is None else control.paused_by,
        pause_reason=None if control is None else control.pause_reason,
        limit=None if control is None else control.running_limit,
        last_hour=ended.hour,
        last_day=ended.day,
    )
    return replace(found, blocked_by=_why_none_starts(session, found))


def _why_none_starts(session: Session, queue: QueueView) -> str | None:
    """What keeps queued jobs from starting, and what can be done: for people."""
    if not queue.depth:
        return None
    if queue.paused_at is not None:
        return "it is paused: resume it"
    if not queue.workers and not queue.draining:
        return "no worker runs: start one"
    if not queue.workers:
        return f"all its workers ({queue.draining}) are draining: undrain or start one"
    if queue.running and queue.stalled == queue.running:
        return f"all its running jobs ({queue.running:,}) make no progress: see their logs, or cancel them"
    waits = queue.oldest_waiting_seconds or 0.0
    if not queue.running and waits > IDLE_SECONDS:
        if not jobs.count_claimable(session, queue.name, IDLE_SECONDS):
            return AT_QUOTA
        return f"its workers have claimed nothing for {duration(waits)}: see their logs, or restart them"
    return None
