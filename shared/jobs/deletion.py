"""Deleting jobs that have ended: the one way in which their rows go."""

import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.jobs import totals
from jobyard.shared.jobs.states import TERMINAL, State
from jobyard.shared.jobs.tables import Job
from jobyard.shared.storage import File

# The reason where there is no such job.
NOT_FOUND: Final = "not found"

_UNENDED: Final = [state for state in State if state not in TERMINAL]


class Refusal(NamedTuple):
    """Why a job was left as it is: in a word or two, by which many are counted, and in a sentence."""

    reason: str
    message: str


class Deletable(NamedTuple):
    """Which of some jobs can be deleted, and why the others can't."""

    ids: list[uuid.UUID]
    refused: dict[uuid.UUID, Refusal]


def lock_deletable(session: Session, job_ids: Sequence[uuid.UUID]) -> Deletable:
    """Those of the jobs that have ended, with all their parts. They stay as they are until the commit."""
    query = sa.select(Job.id, Job.state, Job.parent_id, Job.child_window).where(Job.id.in_(job_ids))
    found = {row.id: row for row in session.execute(query.order_by(Job.id).with_for_update())}
    # A parent is cancelled at once, and its running parts at their next step.
    parents = [row.id for row in found.values() if row.child_window is not None and row.state in TERMINAL]
    at_work = sa.select(Job.parent_id, Job.id).where(Job.parent_id.in_(parents), Job.state.in_(_UNENDED))
    parts = dict(session.execute(at_work).all()) if parents else {}
    refused: dict[uuid.UUID, Refusal] = {}
    for job_id in job_ids:
        row = found.get(job_id)
        if row is None:
            refused[job_id] = Refusal(NOT_FOUND, f"there is no job {job_id}")
        elif row.parent_id is not None:
            refused[job_id] = Refusal(
                "a part", f"job {job_id} is a part of job {row.parent_id}; delete that job instead"
            )
        elif row.state not in TERMINAL:
            refused[job_id] = Refusal(
                row.state,
                f"job {job_id} is {row.state}; only a job that has ended can be deleted: cancel it first",
            )
        elif row.id in parts:
            refused[job_id] = Refusal(
                "a part is running",
                f"a part of job {job_id} has not ended yet (job {parts[row.id]}); it stops at its next step",
            )
    return Deletable([job_id for job_id in dict.fromkeys(job_ids) if job_id not in refused], refused)


def delete_locked(session: Session, job_ids: Sequence[uuid.UUID]) -> set[str]:
    """Delete ended jobs, whose rows are locked, with their parts, timelines, metrics and results.

    Returns the storage's keys that they had: of files and checkpoints. Others may still refer to them.
    """
    if not job_ids:
        return set()
    keys: set[str] = set()
    # Not in one condition: no index would serve both.
    for family in (Job.id.in_(job_ids), Job.parent_id.in_(job_ids)):
        totals.count_ended(session, family)
        files = sa.select(File.storage_key).join(Job, File.job_id == Job.id).where(family)
        checkpoints = sa.select(Job.checkpoint_key).where(family, Job.checkpoint_key.is_not(None))
        keys |= {key for query in (files, checkpoints) for key in session.scalars(query) if key is not None}
    ended = sa.delete(Job).where(Job.id.in_(job_ids), Job.state.in_(TERMINAL))
    session.execute(ended.execution_options(synchronize_session=False))
    return keys
