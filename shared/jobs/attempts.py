"""What an attempt costs that came to nothing: the job is tried again after a while, or fails in the end."""

import uuid
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.jobs.families import end
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import Job
from jobyard.shared.jobs.transitions import NO_LEASE, Transition, off_its_worker, shorten

# The job waits 2, 4, 8 … seconds: one that kills workers should not do so again at once.
BACKOFF_SECONDS: Final = 2.0
MAX_BACKOFF_SECONDS: Final = 60.0

_GIVE_UP: Final = Transition("give_up", State.FAILED)


class Attempts(NamedTuple):
    """The attempts of a running job, and whether its owner wants no more of them."""

    job_id: uuid.UUID
    attempt: int
    max_attempts: int
    is_cancelled: bool


def cost_an_attempt(
    session: Session,
    again: Transition,
    job: Attempts,
    *still: sa.ColumnElement[bool],
    error_type: str,
    error_message: str,
) -> Job | None:
    """running → queued with a backoff, by the transition `again`, or → failed after the last attempt.

    None if the job is not `still` as it was.
    """
    if job.attempt >= job.max_attempts and not job.is_cancelled:
        failed: dict[str, Any] = {"error_type": error_type, "error_message": shorten(error_message)}
        return end(
            session,
            _GIVE_UP,
            job.job_id,
            *still,
            finished_at=utcnow(),
            eta_seconds=None,
            **failed,
            **NO_LEASE,
        )
    backoff = min(BACKOFF_SECONDS * 2 ** (job.attempt - 1), MAX_BACKOFF_SECONDS)
    return end(session, again, job.job_id, *still, available_at=utcnow(backoff), **off_its_worker())
