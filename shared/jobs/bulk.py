"""The verbs of `owner` for many jobs at once: a few statements for all of them.

The jobs are those that `sort_out` has locked and found fit: none is refused any more.
"""

import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.jobs import owner
from jobyard.shared.jobs.families import continue_parent, hold_children_back, lock, stop_children
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import Job
from jobyard.shared.jobs.transitions import move_many


def cancel_many(session: Session, job_ids: Sequence[uuid.UUID]) -> None:
    """`owner.cancel` for each of these jobs."""
    theirs = Job.id.in_(job_ids)
    move_many(session, owner.CANCEL, theirs, message="cancel requested", **owner.cancelled())
    for parent in _parents(session, job_ids, State.CANCELLED):
        stop_children(session, parent, "its parent job was cancelled")


def pause_many(session: Session, job_ids: Sequence[uuid.UUID]) -> None:
    """`owner.pause` for each of these jobs."""
    move_many(session, owner.PAUSE, Job.id.in_(job_ids), message="pause requested", **owner.paused())
    for parent in _parents(session, job_ids, State.PAUSED):
        hold_children_back(session, parent)


def resume_many(session: Session, job_ids: Sequence[uuid.UUID]) -> None:
    """`owner.resume` for each of these jobs. Commit, then `broker.wake` for the queues of `to_wake`."""
    move_many(session, owner.RESUME, Job.id.in_(job_ids), message="resume requested", **owner.resumed())
    for parent in _parents(session, job_ids, State.WAITING):
        continue_parent(session, parent)


def retry_many(session: Session, job_ids: Sequence[uuid.UUID], max_attempts: int) -> None:
    """`owner.retry` for each of these jobs. Commit, then `broker.wake` for the queues of `to_wake`."""
    keys = owner.forget_end(session, job_ids)
    theirs = Job.id.in_(job_ids)
    move_many(session, owner.RETRY, theirs, message="retry requested", **owner.retried(max_attempts))
    owner.delete_parts(session, job_ids, keys)


def to_wake(session: Session, job_ids: Sequence[uuid.UUID]) -> dict[str, int]:
    """How many workers of each queue these jobs may need now."""
    count = sa.func.sum(sa.case((Job.state == State.WAITING, sa.func.coalesce(Job.child_window, 0)), else_=1))
    at_work = Job.state.in_([State.QUEUED, State.WAITING])
    query = sa.select(Job.queue, count).where(Job.id.in_(job_ids), at_work).group_by(Job.queue)
    return {queue: int(number) for queue, number in session.execute(query)}


def _parents(session: Session, job_ids: Sequence[uuid.UUID], state: State) -> list[Job]:
    """Those of the jobs that have children, in this state."""
    return lock(
        session,
        sa.select(Job).where(Job.id.in_(job_ids), Job.state == state, Job.child_window.is_not(None)),
    )
