"""Retention: deleting old jobs with their files, uploads that no job needs, and what was left half done."""

import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from jobyard.shared import registry, storage
from jobyard.shared.database import utcnow
from jobyard.shared.errors import BadInput, Conflict
from jobyard.shared.jobs import TERMINAL, Job, State, needed_by_parent
from jobyard.shared.needs import JobInput, unended_job_that_names
from jobyard.shared.storage import File, PendingKey, Reason, complete, plan_deletion

DAY_SECONDS = 86_400.0
# What was begun to be written later than that may belong to an upload that still runs.
ABANDONED_SECONDS = 2 * DAY_SECONDS
# A sweep deletes at most so many files, or that share of all if it is more: a mistake does not empty the
# storage within a pass, and stands in the log before it has done much.
MOST_AT_ONCE, MOST_SHARE = 100, 0.01
KEYS_AT_ONCE = 500


def forget(session: Session, days: float, limit: int = 1_000) -> tuple[list[str], bool]:
    """Delete jobs that ended so long ago, and uploads as old that no job reads any more.

    Data sets and models stay, and a model's file with it. Returns the storage's keys that nothing
    refers to now (delete them after the commit), and whether there may be more to forget.
    """
    old = utcnow(-days * DAY_SECONDS)
    jobs = session.scalars(
        sa.select(Job.id)
        .where(Job.finished_at < old, Job.state.in_(TERMINAL), Job.parent_id.is_(None))
        .order_by(Job.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    child = aliased(Job)
    theirs = File.job_id.in_(jobs) | File.job_id.in_(sa.select(child.id).where(child.parent_id.in_(jobs)))
    unread = ~sa.exists().where(JobInput.file_id == File.id)
    uploads = (
        sa.select(File.id)
        .where(File.job_id.is_(None), File.created_at < old, unread)
        .limit(limit)
        .with_for_update(skip_locked=True)  # what a job takes at this moment is locked by its foreign key
    )
    keys: set[str] = set(session.scalars(sa.select(File.storage_key).where(theirs))) if jobs else set()
    if jobs:
        for family in (Job.id.in_(jobs), Job.parent_id.in_(jobs)):
            left = sa.select(Job.checkpoint_key).where(family, Job.checkpoint_key.is_not(None))
            keys |= {key for key in session.scalars(left) if key is not None}
    session.execute(sa.delete(Job).where(Job.id.in_(jobs)).execution_options(synchronize_session=False))
    unneeded = session.scalars(uploads).all()
    if unneeded:
        delete = sa.delete(File).where(File.id.in_(unneeded), unread).returning(File.storage_key)
        keys |= set(session.scalars(delete.execution_options(synchronize_session=False)))
    unused = _unused(session, sorted(keys))
    plan_deletion(session, unused, Reason.EXPIRED)
    return unused, limit in (len(jobs), len(unneeded))


def delete_upload(session: Session, file_id: uuid.UUID) -> list[str]:
    """Delete an upload that no job reads; returns the storage's keys to delete after the commit.

    Raises NotFound, and Conflict where a job reads it.
    """
    # What a job takes at this moment is locked by its foreign key: the row is looked at again after it.
    session.execute(sa.select(File.id).where(File.id == file_id).with_for_update())
    file = storage.get_file(session, file_id)
    job_id = session.scalar(sa.select(JobInput.job_id).where(JobInput.file_id == file_id).limit(1))
    if job_id is not None:
        raise Conflict(f"the job {job_id} reads the file {file_id}; it is kept as long as that job")
    session.delete(file)
    session.flush()
    unused = _unused(session, [file.storage_key])
    plan_deletion(session, unused, Reason.DELETED)
    return unused


def delete_dataset(session: Session, reference: str) -> list[str]:
    """Delete one version of a data set, by `name@version` or id. Models that were trained on it stay.

    Returns the storage's keys that nothing refers to now: delete them after the commit. Raises NotFound,
    BadInput for a name without a version, and Conflict while a job that has not ended needs it.
    """
    dataset = registry.find(session, registry.Dataset, reference)
    if reference not in (dataset.reference, str(dataset.id)):
        raise BadInput("id", f"should be an id or name@version; the newest is {dataset.reference}")
    registry.take_turn(session, dataset)  # or an import of the same files might refer to what is gone
    # No job that names it can be retried meanwhile.
    session.execute(sa.select(registry.Dataset.id).where(registry.Dataset.id == dataset.id).with_for_update())
    job_id = unended_job_that_names(session, dataset.id)
    if job_id is not None:
        raise Conflict(f"the job {job_id} uses {dataset.reference}; wait until it has ended, or cancel it")
    session.delete(dataset)
    session.flush()
    unused = _unused(session, [dataset.storage_key])
    plan_deletion(session, unused, Reason.DELETED)
    return unused


def due(session: Session) -> dict[str, str]:
    """Keys to delete now, each with its reason: those whose last reference is gone, and those whose writing
    was begun long ago and never completed. Of all files a small share at once, the oldest first.
    """
    running = sa.exists().where(Job.lease == PendingKey.lease, Job.state == State.RUNNING)
    abandoned = (PendingKey.since < utcnow(-ABANDONED_SECONDS)) & ~running
    ready = sa.or_(PendingKey.reason != Reason.WRITTEN, abandoned)
    query = sa.select(PendingKey.key, PendingKey.reason).where(ready).order_by(PendingKey.since)
    found = session.execute(query.limit(MOST_AT_ONCE + 1)).all()
    if len(found) > MOST_AT_ONCE:
        files = session.scalar(sa.select(sa.func.count()).select_from(File)) or 0
        found = session.execute(query.limit(max(MOST_AT_ONCE, int(files * MOST_SHARE)))).all()
    unused = set(_unused(session, [key for key, _ in found]))
    complete(session, [key for key, _ in found if key not in unused])
    return {key: reason for key, reason in found if key in unused}


def in_use(session: Session, keys: Sequence[str]) -> set[str]:
    """Those of the storage's keys that a data set, a model, an export, a file or a checkpoint has.

    The checkpoint of a job that has ended counts no more, unless its parent still needs it.
    """
    theirs = [
        sa.select(column).where(column.in_(keys))
        for column in (
            registry.Dataset.storage_key,
            registry.Model.storage_key,
            registry.ModelExport.storage_key,
            File.storage_key,
        )
    ]
    needed = Job.state.not_in(TERMINAL) | needed_by_parent()
    checkpoints = sa.select(Job.checkpoint_key).where(Job.checkpoint_key.in_(keys), needed)
    return {key for query in (*theirs, checkpoints) for key in session.scalars(query) if key is not None}


def _unused(session: Session, keys: list[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(keys), KEYS_AT_ONCE):
        some = keys[start : start + KEYS_AT_ONCE]
        needed = in_use(session, some)
        found += [key for key in some if key not in needed]
    return found
