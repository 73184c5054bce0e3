"""What a worker does with the job that it has claimed."""

import uuid
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.jobs import briefs, totals
from jobyard.shared.jobs.families import continue_parent, end, lock_parent, progress_after
from jobyard.shared.jobs.progress import Progress
from jobyard.shared.jobs.states import TERMINAL, State
from jobyard.shared.jobs.tables import JOBS, Job, JobEvent
from jobyard.shared.jobs.transitions import (
    NO_LEASE,
    OWNER_ASKED,
    HeldJob,
    PreparedTransition,
    Transition,
    change,
    change_held,
    held,
    note,
    off_its_worker,
    shorten,
)
from jobyard.shared.storage import Reason, complete, plan_deletion
from jobyard.shared.texts import to_json

_TO_SUCCEEDED: Final = Transition("succeed", State.SUCCEEDED)
_TO_FAILED: Final = Transition("fail", State.FAILED)
_TO_CANCELLED: Final = Transition("finish_cancel", State.CANCELLED)
_RELEASED: Final = Transition("release", State.QUEUED, unless=OWNER_ASKED)

_POSTPONED: Final = Transition("postpone", State.QUEUED, unless=OWNER_ASKED)

STOPPED: Final = "stopped by its worker"

# A postponed job waits twice as long each time, within these bounds. One that ran for longer than a try takes
# before it is postponed again begins anew: then it is another outage.
MIN_DELAY_SECONDS: Final = 5.0
MAX_DELAY_SECONDS: Final = 300.0
TRY_SECONDS: Final = 60.0

_HELD: Final = (JOBS.c.id == sa.bindparam("held_job"), JOBS.c.lease == sa.bindparam("held_lease"))
_DONE: Final[dict[str, Any]] = {
    "finished_at": utcnow(),
    "result": sa.bindparam("given_result", type_=JOBS.c.result.type),
    "progress_done": sa.func.coalesce(JOBS.c.progress_total, JOBS.c.progress_done),
    "phase": None,
    "eta_seconds": None,
    **NO_LEASE,
}
_SUCCEED: Final = PreparedTransition(_TO_SUCCEEDED, *_HELD, JOBS.c.parent_id.is_(None), values=_DONE)
_SUCCEED_AS_CHILD: Final = PreparedTransition(
    _TO_SUCCEEDED, *_HELD, values=_DONE, returning=[JOBS.c.created_at, JOBS.c.finished_at]
)


def heartbeat(
    session: Session,
    job_id: uuid.UUID,
    lease: uuid.UUID,
    *,
    lease_seconds: float,
    progress: Progress | None,
    usage: dict[str, Any] | None = None,
) -> HeldJob | None:
    """Renew the lease and note progress and usage (None: unchanged). None if the lease is lost.

    The returned job's `cancel_requested_at` says whether its owner wants it cancelled.
    """
    changes = {} if progress is None else progress.columns()
    if usage is not None:
        changes["usage"] = usage
    return change_held(
        session, job_id, lease, visible=bool(changes), lease_expires_at=utcnow(lease_seconds), **changes
    )


def note_phase(session: Session, job: HeldJob) -> None:
    """Leave the phase of a running job in its timeline."""
    note(session, job)


def succeed(session: Session, job_id: uuid.UUID, lease: uuid.UUID, result: dict[str, Any]) -> bool:
    """running → succeeded. False if the lease is lost: roll back whatever else is in the transaction.

    A child's `result` says under "done" how much of its parent's progress it was.
    """
    if succeed_alone(session.connection(), job_id, lease, result):
        return True
    if (parent := lock_parent(session, job_id)) is None:
        return False
    row = _SUCCEED_AS_CHILD(session, _given(job_id, lease, result))
    if row is None:
        return False
    _keep_brief(session.connection(), job_id, result)
    continue_parent(
        session, parent, progress_after(parent, result.get("done", 0), row.finished_at - row.created_at)
    )
    return True


def succeed_alone(
    connection: sa.Connection, job_id: uuid.UUID, lease: uuid.UUID, result: dict[str, Any]
) -> bool:
    """`succeed` of a job that is no child: one statement on PostgreSQL, if its result has no brief."""
    if _SUCCEED(connection, _given(job_id, lease, result)) is None:
        return False
    _keep_brief(connection, job_id, result)
    return True


def _given(job_id: uuid.UUID, lease: uuid.UUID, result: dict[str, Any]) -> dict[str, Any]:
    return {"held_job": job_id, "held_lease": lease, "given_result": result}


def _keep_brief(connection: sa.Connection, job_id: uuid.UUID, result: dict[str, Any]) -> None:
    briefs.keep(connection, "result", [(job_id, result, to_json(result))])


def fail(
    session: Session,
    job_id: uuid.UUID,
    lease: uuid.UUID,
    *,
    error_type: str,
    message: str,
    traceback: str | None = None,
) -> Job | None:
    """running → failed, with a line for people. None if the lease is lost.

    The traceback goes to the timeline.
    """
    job = end(
        session,
        _TO_FAILED,
        job_id,
        *held(job_id, lease),
        finished_at=utcnow(),
        error_type=error_type,
        error_message=shorten(message),
        eta_seconds=None,
        **NO_LEASE,
    )
    if job is not None:
        note(session, job, message=message, traceback=traceback)
    return job


def finish_cancel(
    session: Session,
    job_id: uuid.UUID,
    lease: uuid.UUID,
    message: str = STOPPED,
    traceback: str | None = None,
) -> Job | None:
    """running → cancelled, by the worker that was asked to. None if the lease is lost.

    The traceback, of work that did not stop, goes to the timeline.
    """
    job = end(
        session,
        _TO_CANCELLED,
        job_id,
        *held(job_id, lease),
        finished_at=utcnow(),
        eta_seconds=None,
        **NO_LEASE,
    )
    if job is not None:
        note(session, job, message=message, traceback=traceback)
    return job


def release(
    session: Session,
    job_id: uuid.UUID,
    lease: uuid.UUID,
    message: str = STOPPED,
    traceback: str | None = None,
) -> Job | None:
    """running → queued without costing an attempt: its worker is being stopped. None if the lease is lost.

    A job that its owner asked to pause is paused instead, and one to cancel is cancelled.
    Commit, then `broker.wake` if it is queued.
    """
    job = end(
        session,
        _RELEASED,
        job_id,
        *held(job_id, lease),
        attempt=Job.attempt - 1,
        available_at=utcnow(),
        **off_its_worker(),
    )
    if job is not None:
        if job.state == State.QUEUED and message == STOPPED:
            message = "its worker is stopping"
        note(session, job, message=message, traceback=traceback)
    return job


def postpone(session: Session, job_id: uuid.UUID, lease: uuid.UUID, reason: str) -> Job | None:
    """running → queued without costing an attempt: it can't run now, for a `reason` that is not its own.

    It can be claimed again after a delay, which doubles while one try after the other fails. As `release`
    otherwise.
    """
    # Of the timeline, for the row itself has the first start only.
    claimed = sa.select(sa.func.min(JobEvent.at)).where(
        JobEvent.job_id == Job.id, JobEvent.state == State.RUNNING, JobEvent.at >= Job.queued_at
    )
    times = sa.select(Job.queued_at, Job.available_at, claimed.scalar_subquery(), utcnow())
    found = session.execute(times.where(*held(job_id, lease))).one_or_none()
    if found is None:
        return None
    queued, available, claimed_at, now = found
    is_another = claimed_at is not None and (now - claimed_at).total_seconds() > TRY_SECONDS
    before = 0.0 if is_another else (available - queued).total_seconds()
    delay = min(max(2 * before, MIN_DELAY_SECONDS), MAX_DELAY_SECONDS)
    job = end(
        session,
        _POSTPONED,
        job_id,
        *held(job_id, lease),
        attempt=Job.attempt - 1,
        available_at=utcnow(delay),
        **off_its_worker(),
    )
    if job is not None:
        postponed = job.state == State.QUEUED
        if postponed:
            totals.add(session, totals.POSTPONED, [job.queue])
        note(session, job, message=f"{reason}; next try in {delay:.0f} s" if postponed else reason)
    return job


def keep_checkpoint(
    session: Session, job_id: uuid.UUID, lease: uuid.UUID, key: str, replaces: str | None = None
) -> Job | None:
    """Remember the newest checkpoint of a running job. None if the lease is lost: it is not the newest.

    `replaces`: the key of the one before; delete it after the commit.
    """
    job = change(session, *held(job_id, lease), visible=False, checkpoint_key=key)
    if job is not None:
        complete(session, [key])
        plan_deletion(session, [] if replaces is None else [replaces], Reason.REPLACED)
    return job


def drop_checkpoint(session: Session, job_id: uuid.UUID, key: str) -> bool:
    """Forget this checkpoint of a job that has ended; delete it after the commit. False if it is kept."""
    theirs = (Job.id == job_id, Job.checkpoint_key == key, Job.state.in_(TERMINAL))
    forget = sa.update(Job).where(*theirs).values(checkpoint_key=None).returning(Job.id)
    if session.scalar(forget, execution_options={"synchronize_session": False}) is None:
        return False
    plan_deletion(session, [key], Reason.ENDED)
    return True


def keep_for_parent(session: Session, job_id: uuid.UUID, lease: uuid.UUID, key: str) -> Job | None:
    """Remember what a child's parent will need, in the transaction of `succeed`. None if the lease is lost.

    The parent's row is locked first.
    """
    lock_parent(session, job_id)
    return keep_checkpoint(session, job_id, lease, key)
