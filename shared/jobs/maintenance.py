"""The sweeper's changes: expired leases, deadlines, and checkpoints that no job needs."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.jobs import totals
from jobyard.shared.jobs.attempts import Attempts, cost_an_attempt
from jobyard.shared.jobs.counts import EXACT_COUNTS
from jobyard.shared.jobs.families import lock, stop_children
from jobyard.shared.jobs.quotas import quota_waits, room_of
from jobyard.shared.jobs.reads import needed_by_parent
from jobyard.shared.jobs.states import TERMINAL, State
from jobyard.shared.jobs.tables import JOBS, Job
from jobyard.shared.jobs.transitions import (
    NO_LEASE,
    OWNER_ASKED,
    Transition,
    held,
    move,
    note,
)
from jobyard.shared.jobs.turns import owners_waiting, ready_of
from jobyard.shared.jobs.usage import held_at_last
from jobyard.shared.queue_controls import QueueControl
from jobyard.shared.storage import Reason, plan_deletion

_RESCUE: Final = Transition("rescue", State.QUEUED, unless=OWNER_ASKED)
_EXPIRE: Final = Transition("expire", State.FAILED)

_QUOTA_WAITS: Final = sa.select(quota_waits(sa.bindparam("from_queue", type_=JOBS.c.queue.type)))


def _ready_within_quotas() -> sa.Select[Any]:
    """How many jobs of a queue are ready, of no owner more than may run now, nor more than `EXACT_COUNTS`."""
    owners = owners_waiting()
    some = ready_of(owners.c.owner, sa.bindparam("older_than_seconds", type_=sa.Float)).limit(EXACT_COUNTS)
    ready = sa.select(sa.func.count()).select_from(some.subquery()).correlate(owners).scalar_subquery()
    each = sa.select(ready.label("ready"), room_of(owners.c.owner).label("room")).select_from(owners)
    counts = each.where(owners.c.owner.is_not(None)).subquery()
    may_run = sa.case(
        (counts.c.room < 0, 0), (counts.c.room < counts.c.ready, counts.c.room), else_=counts.c.ready
    )
    return sa.select(sa.func.sum(may_run))


_READY_WITHIN_QUOTAS: Final = _ready_within_quotas()


def rescue(session: Session, limit: int = 100) -> list[Job]:
    """Expired leases: running → queued with a backoff, or → failed after `max_attempts` lost workers.

    Returns the jobs moved. Several sweepers may do this at once: the lease guards each row.
    """
    columns = Job.id, Job.lease, Job.worker, Job.attempt, Job.max_attempts, Job.cancel_requested_at, Job.usage
    expired = (
        sa.select(*columns)
        .where(_RESCUE.guard, Job.lease_expires_at < utcnow())
        .order_by(Job.lease_expires_at)
        .limit(limit)
    )
    single = expired.where(Job.parent_id.is_(None)).with_for_update(skip_locked=True)
    found = [*session.execute(single)]
    # No child is locked before its parent, and parents are locked in one order.
    parts = session.execute(expired.where(Job.parent_id.is_not(None)).add_columns(Job.parent_id)).all()
    if parts:
        lock(session, sa.select(Job).where(Job.id.in_({part.parent_id for part in parts})))
    moved = []
    for job_id, lease, worker, attempt, max_attempts, cancel_requested_at, usage in [
        *found,
        *(part[:-1] for part in parts),
    ]:
        still = [*held(job_id, lease), Job.lease_expires_at < utcnow()]
        lost = f"worker {worker} was lost (attempt {attempt} of {max_attempts})"
        held_memory = held_at_last(usage, attempt)
        job = cost_an_attempt(
            session,
            _RESCUE,
            Attempts(job_id, attempt, max_attempts, cancel_requested_at is not None),
            *still,
            error_type="WorkerLost",
            error_message=f"{lost}; the job may need more memory than its worker has"
            f"{f' ({held_memory})' if held_memory else ''}, or hang",
        )
        if job is not None:
            note(session, job, message=f"{lost}; {held_memory}" if held_memory else lost, worker=worker)
            moved.append(job)
    totals.add(session, totals.LEASE_EXPIRED, [job.queue for job in moved])
    return moved


def expire(session: Session, limit: int = 100) -> list[Job]:
    """queued | running | waiting → failed, for jobs past their deadline; their children are stopped.

    A running job's worker learns of it at its next heartbeat.
    """
    late = session.execute(
        sa.select(Job.id, Job.deadline_seconds)
        .where(Job.deadline_at < utcnow(), _EXPIRE.guard)
        .order_by(Job.deadline_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    moved = []
    for job_id, seconds in late:
        job = move(
            session,
            _EXPIRE,
            Job.id == job_id,
            Job.deadline_at < utcnow(),
            finished_at=utcnow(),
            error_type="DeadlineExceeded",
            error_message=f"not finished within {seconds or 0:g} seconds of its first start, its deadline",
            eta_seconds=None,
            **NO_LEASE,
        )
        if job is not None:
            note(session, job, message=job.error_message)
            stop_children(session, job, "the deadline of its parent job has passed")
            moved.append(job)
    return moved


def forget_checkpoints(session: Session, limit: int = 500) -> list[str]:
    """Forget checkpoints from which no job continues: of jobs that have ended, and whose parent has.

    Returns the storage's keys: delete them after the commit.
    """
    found = session.execute(
        sa.select(Job.id, Job.checkpoint_key)
        # As `IS NOT NULL`, which SQLite finds by no index.
        .where(Job.checkpoint_key > "", Job.state.in_(TERMINAL), ~needed_by_parent())
        .limit(limit)
        .with_for_update(skip_locked=True, of=Job)
    ).all()
    if found:
        forget = sa.update(Job).where(Job.id.in_([row.id for row in found])).values(checkpoint_key=None)
        session.execute(forget, execution_options={"synchronize_session": False})
        plan_deletion(session, [row.checkpoint_key for row in found], Reason.ENDED)
    return [row.checkpoint_key for row in found]


def count_claimable(session: Session, queue: str, older_than_seconds: float) -> int:
    """As `count_ready`, but no more than may run now: none of a paused queue, or of owners at their quota."""
    control = session.get(QueueControl, queue)
    if control is not None and control.paused_at is not None:
        return 0
    ready = count_ready(session, queue, older_than_seconds)
    of_queue = {"from_queue": queue}
    if ready and session.scalar(_QUOTA_WAITS, of_queue):
        given = of_queue | {"older_than_seconds": -older_than_seconds}
        ready = min(int(session.scalar(_READY_WITHIN_QUOTAS, given) or 0), EXACT_COUNTS)
    if not ready or control is None or control.running_limit is None:
        return ready
    running = sa.select(sa.func.count()).where(Job.state == State.RUNNING, Job.queue == queue)
    return max(min(ready, control.running_limit - (session.scalar(running) or 0)), 0)


def count_ready(session: Session, queue: str, older_than_seconds: float) -> int:
    """Queued jobs of a queue that could have been claimed for so long already, at most `EXACT_COUNTS`."""
    ready = sa.select(Job.id).where(
        Job.state == State.QUEUED, Job.queue == queue, Job.available_at <= utcnow(-older_than_seconds)
    )
    some = ready.limit(EXACT_COUNTS).subquery()
    return session.scalar(sa.select(sa.func.count()).select_from(some)) or 0
