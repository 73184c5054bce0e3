"""Deleting jobs that have ended: the one way in which their rows go."""

import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.jobs import totals
from jobyard.shared.jobs.states import TERMINAL
from jobyard.shared.jobs.tables import Job
from jobyard.shared.storage import File


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
