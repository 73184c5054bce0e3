"""What a job's owner may do to it."""

import uuid
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.errors import Conflict
from jobyard.shared.jobs import totals
from jobyard.shared.jobs.families import continue_parent, hold_children_back, stop_children
from jobyard.shared.jobs.progress import NO_PROGRESS
from jobyard.shared.jobs.reads import get
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import JOBS, Job
from jobyard.shared.jobs.transitions import Transition, move, note
from jobyard.shared.storage import File, Reason, plan_deletion

CANCEL: Final = Transition("cancel", State.CANCELLED)
RETRY: Final = Transition("retry", State.QUEUED)
PAUSE: Final = Transition("pause", State.PAUSED)
RESUME: Final = Transition("resume", State.QUEUED, unless=[(JOBS.c.child_window.is_not(None), State.WAITING)])


def cancelled() -> dict[str, Any]:
    """What `CANCEL` sets beside the state."""
    return {
        "finished_at": sa.case((CANCEL.stays, sa.null()), else_=utcnow()),
        "cancel_requested_at": sa.func.coalesce(Job.cancel_requested_at, utcnow()),
    }


def retried(max_attempts: int) -> dict[str, Any]:
    """What `RETRY` sets beside the state."""
    return {
        "queued_at": utcnow(),
        "available_at": utcnow(),
        "max_attempts": Job.attempt + max_attempts,
        "finished_at": None,
        "error_type": None,
        "error_message": None,
        "cancel_requested_at": None,
        "pause_requested_at": None,
        "checkpoint_key": None,
        "deadline_at": None,
        "child_window": None,
        "usage": None,
        **NO_PROGRESS,
    }


def paused() -> dict[str, Any]:
    """What `PAUSE` sets beside the state."""
    return {"pause_requested_at": sa.func.coalesce(Job.pause_requested_at, utcnow())}


def resumed() -> dict[str, Any]:
    """What `RESUME` sets beside the state."""
    return {
        "queued_at": sa.case((RESUME.stays, Job.queued_at), else_=utcnow()),
        "available_at": sa.case((RESUME.stays, Job.available_at), else_=utcnow()),
        "pause_requested_at": None,
    }


def cancel(session: Session, job_id: uuid.UUID) -> Job:
    """queued | paused | waiting → cancelled; a running job is asked, and its worker cancels it.

    So are the children of a waiting job. Raises NotFound, or Conflict if the job has ended or is a child.
    """
    job = move(session, CANCEL, Job.id == job_id, Job.parent_id.is_(None), **cancelled())
    if job is None:
        _refuse_child(session, job_id)
        raise Conflict(
            f"job {job_id} has already {_ended(session, job_id)}; "
            "only a job that has not ended can be cancelled"
        )
    note(session, job, message="cancel requested")
    if job.state == State.CANCELLED:
        stop_children(session, job, "its parent job was cancelled")
    return job


def retry(session: Session, job_id: uuid.UUID, max_attempts: int) -> Job:
    """failed | cancelled → queued, as a new attempt with a fresh budget of `max_attempts`.

    It starts over: the children that it had are deleted. Raises NotFound, or Conflict in any other state
    or if it is a child. Commit, then `broker.wake`.
    """
    # Locked before anything that its end is counted in.
    session.execute(sa.select(Job.id).where(Job.id == job_id).with_for_update(key_share=True))
    keys = forget_end(session, [job_id])
    job = move(session, RETRY, Job.id == job_id, Job.parent_id.is_(None), **retried(max_attempts))
    if job is None:
        state = _refuse_child(session, job_id).state
        raise Conflict(f"job {job_id} is {state}; only a failed or cancelled job can be retried")
    delete_parts(session, [job_id], keys)
    note(session, job, message="retry requested")
    return job


def delete_parts(session: Session, job_ids: Sequence[uuid.UUID], keys: list[str]) -> None:
    """Of jobs that start over; `keys` are what they had in the storage."""
    parts = sa.delete(Job).where(Job.parent_id.in_(job_ids))
    session.execute(parts, execution_options={"synchronize_session": False})
    plan_deletion(session, keys, Reason.RETRIED)


def forget_end(session: Session, job_ids: Sequence[uuid.UUID]) -> list[str]:
    """Count the ends of jobs that start over, and their children's, which are not to be seen from then on.

    Returns what they have in the storage: checkpoints, and their children's and their files.
    """
    for which in (Job.id.in_(job_ids), Job.parent_id.in_(job_ids)):
        totals.count_ended(session, which)
    own = sa.select(Job.checkpoint_key).where(Job.id.in_(job_ids))
    # Not in one condition with the jobs' own: no index would serve both.
    parts = sa.select(Job.checkpoint_key).where(Job.parent_id.in_(job_ids), Job.checkpoint_key.is_not(None))
    files = sa.select(File.storage_key).join(Job, File.job_id == Job.id).where(Job.parent_id.in_(job_ids))
    return [key for query in (own, parts, files) for key in session.scalars(query) if key is not None]


def pause(session: Session, job_id: uuid.UUID) -> Job:
    """queued | waiting → paused; a running job is asked, and its worker pauses it at its next step.

    A waiting job's running children finish, and no more begin. Raises NotFound, or Conflict
    in any other state or if it is a child.
    """
    job = move(session, PAUSE, Job.id == job_id, Job.parent_id.is_(None), **paused())
    if job is None:
        state = _refuse_child(session, job_id).state
        raise Conflict(f"job {job_id} is {state}; only a queued, running or waiting job can be paused")
    note(session, job, message="pause requested")
    if job.state == State.PAUSED:
        hold_children_back(session, job)
    return job


def resume(session: Session, job_id: uuid.UUID) -> Job:
    """paused → queued, or → waiting if it has children; a running job that was asked to pause keeps running.

    Raises NotFound, or Conflict in any other state. Commit, then `broker.wake` if it is queued or waiting.
    """
    was_asked = sa.or_(~RESUME.stays, Job.pause_requested_at.is_not(None))
    job = move(session, RESUME, Job.id == job_id, was_asked, Job.parent_id.is_(None), **resumed())
    if job is None:
        state = _refuse_child(session, job_id).state
        raise Conflict(f"job {job_id} is {state}; only a paused job can be resumed")
    note(session, job, message="resume requested")
    return continue_parent(session, job)


def _refuse_child(session: Session, job_id: uuid.UUID) -> Job:
    """The job. Raises NotFound, or Conflict if it is a child: its parent is what its owner may change."""
    job = get(session, job_id)
    if job.parent_id is not None:
        raise Conflict(
            f"job {job_id} is a part of job {job.parent_id}; cancel, pause, resume or retry that job instead"
        )
    return job


def _ended(session: Session, job_id: uuid.UUID) -> str:
    state = get(session, job_id).state
    return "been cancelled" if state == State.CANCELLED else state
