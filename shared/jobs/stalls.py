"""Jobs that run and make no progress: their workers say so, and restart or fail them if they are to."""

import uuid
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.jobs.attempts import Attempts, cost_an_attempt
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import Job
from jobyard.shared.jobs.transitions import OWNER_ASKED, HeldJob, Transition, change_held, held, note

_RESTART: Final = Transition("restart", State.QUEUED, unless=OWNER_ASKED)
# The type of the error of a job that failed for it.
STALLED: Final = "Stalled"


def note_stall(
    session: Session,
    job_id: uuid.UUID,
    lease: uuid.UUID,
    message: str,
    traceback: str | None,
    *,
    seconds: float,
) -> HeldJob | None:
    """It has made no progress for so many seconds. None if the lease is lost.

    The message, and the traceback of where its work is, go to the timeline.
    """
    job = change_held(session, job_id, lease, visible=True, stalled_since=utcnow(-seconds))
    if job is not None:
        note(session, job, message=message, traceback=traceback)
    return job


def note_steps(session: Session, job_id: uuid.UUID, lease: uuid.UUID, message: str) -> HeldJob | None:
    """It makes progress again. None if the lease is lost."""
    job = change_held(session, job_id, lease, visible=True, stalled_since=None)
    if job is not None:
        note(session, job, message=message)
    return job


def restart(
    session: Session, job_id: uuid.UUID, lease: uuid.UUID, message: str, traceback: str | None
) -> Job | None:
    """running → queued at the cost of an attempt, or → failed after the last. None if the lease is lost.

    A job that its owner asked to pause or cancel is paused or cancelled. The process must not continue.
    """
    columns = Job.attempt, Job.max_attempts, Job.cancel_requested_at, Job.worker
    found = session.execute(sa.select(*columns).where(*held(job_id, lease))).one_or_none()
    if found is None:
        return None
    attempt, max_attempts, cancel_requested_at, worker = found
    message = f"{message} (attempt {attempt} of {max_attempts})"
    attempts = Attempts(job_id, attempt, max_attempts, cancel_requested_at is not None)
    job = cost_an_attempt(
        session, _RESTART, attempts, *held(job_id, lease), error_type=STALLED, error_message=message
    )
    if job is not None:
        note(session, job, message=message, worker=worker, traceback=traceback)
    return job
