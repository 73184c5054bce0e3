"""Retention: deleting old jobs with their files, uploads that no job needs, and what was left half done."""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs, registry, storage
from jobyard.shared.database import utcnow
from jobyard.shared.errors import BadInput, Conflict, NotFound
from jobyard.shared.jobs import TERMINAL, Job, State, needed_by_parent
from jobyard.shared.kinds.preview import Preview
from jobyard.shared.needs import JobInput, job_that_needs, note_lost, unended_job_that_names
from jobyard.shared.storage import File, PendingKey, Reason, complete, plan_deletion

DAY_SECONDS = 86_400.0
# What was begun to be written later than that may belong to an upload that still runs.
ABANDONED_SECONDS = 2 * DAY_SECONDS
# A preview that has ended is deleted by the request that asked for it, or after so long.
PREVIEW_SECONDS = 300.0
# A sweep deletes at most so many files, or that share of all if it is more: a mistake does not empty the
# storage within a pass, and stands in the log before it has done much.
MOST_AT_ONCE, MOST_SHARE = 100, 0.01
KEYS_AT_ONCE = 500


def forget(session: Session, days: float, limit: int = 1_000) -> tuple[list[str], bool]:
    """Delete jobs that ended so long ago, if they are not to be kept, and uploads as old that no job reads.

    Data sets and models stay, and a model's file with it. Returns the storage's keys that nothing
    refers to now (delete them after the commit), and whether there may be more to forget.
    """
    old = utcnow(-days * DAY_SECONDS)
    old_jobs = session.scalars(
        sa.select(Job.id)
        .where(Job.finished_at < old, Job.state.in_(TERMINAL), Job.parent_id.is_(None), ~Job.keep)
        .order_by(Job.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    unread = ~sa.exists().where(JobInput.file_id == File.id)
    uploads = (
        sa.select(File.id)
        .where(File.job_id.is_(None), File.created_at < old, unread)
        .limit(limit)
        .with_for_update(skip_locked=True)  # what a job takes at this moment is locked by its foreign key
    )
    keys = jobs.delete_locked(session, old_jobs)
    unneeded = session.scalars(uploads).all()
    keys |= _delete_unread(session, unneeded)
    unused = _unused(session, sorted(keys))
    plan_deletion(session, unused, Reason.EXPIRED)
    return unused, limit in (len(old_jobs), len(unneeded))


class Deletion(NamedTuple):
    """What became of a wish to delete some jobs: which are gone, the storage's keys that nothing refers to
    now, and why the others stay.
    """

    ids: list[uuid.UUID]
    keys: list[str]
    refused: dict[uuid.UUID, jobs.Refusal]


def delete_job(session: Session, job_id: uuid.UUID) -> list[str]:
    """Delete one job, as `delete_jobs`; returns the storage's keys to delete after the commit.

    Raises NotFound, and Conflict that says what stands against it.
    """
    found = delete_jobs(session, [job_id])
    if refusal := found.refused.get(job_id):
        raise (NotFound if refusal.reason == jobs.NOT_FOUND else Conflict)(refusal.message)
    return found.keys


def sort_out_deletable(
    session: Session, job_ids: Sequence[uuid.UUID], *where: sa.ColumnElement[bool], lock: bool = True
) -> jobs.Sorted:
    """`jobs.sort_out` of those that are to be deleted, without those that a model needs."""
    ids, refused = jobs.sort_out(session, "delete", job_ids, *where, lock=lock)
    refused |= _makers_of_cards(session, ids)
    return jobs.Sorted([job_id for job_id in ids if job_id not in refused], refused)


def delete_jobs(session: Session, job_ids: Sequence[uuid.UUID], *where: sa.ColumnElement[bool]) -> Deletion:
    """Delete those of the jobs that have ended, with all that is theirs, and the uploads that no other reads.

    `where` as for `jobs.sort_out`. Data sets and models stay, and a model's file with it. Delete the keys
    after the commit.
    """
    ids, refused = sort_out_deletable(session, job_ids, *where)
    # Locked first: of two transactions that delete the last two readers, one sees what the other did.
    inputs = sa.select(JobInput.file_id).where(JobInput.job_id.in_(ids))
    read = session.scalars(
        sa.select(File.id).where(File.id.in_(inputs)).order_by(File.id).with_for_update()
    ).all()
    keys = jobs.delete_locked(session, ids) | _delete_unread(session, read)
    unused = _unused(session, sorted(keys))
    plan_deletion(session, unused, Reason.DELETED)
    return Deletion(ids, unused, refused)


def delete_previews(session: Session, job_ids: Sequence[uuid.UUID]) -> list[str]:
    """Delete those of these previews that have ended, and what was uploaded for them alone.

    Returns the storage's keys to delete after the commit.
    """
    ids, _ = jobs.sort_out(session, "delete", job_ids, Job.kind == Preview.name)
    specs = session.scalars(sa.select(Job.spec).where(Job.id.in_(ids))).all()
    heads = [uuid.UUID(spec["file"]) for spec in specs if spec["head_bytes"] is not None]
    keys = jobs.delete_locked(session, ids) | _delete_unread(session, heads)
    unused = _unused(session, sorted(keys))
    plan_deletion(session, unused, Reason.UNUSED)
    return unused


def forget_previews(session: Session, limit: int = 1_000) -> None:
    """Delete what is left of previews whose reader has gone."""
    left = sa.select(Job.id).where(Job.kind == Preview.name).order_by(Job.id).limit(limit).subquery()
    old = sa.select(Job.id).where(
        Job.id.in_(sa.select(left.c.id)),
        Job.state.in_(TERMINAL),
        Job.finished_at < utcnow(-PREVIEW_SECONDS),
    )
    delete_previews(session, session.scalars(old).all())


def _makers_of_cards(session: Session, job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, jobs.Refusal]:
    """Of those jobs whose model has no card but what is in the result of its training."""
    query = sa.select(registry.Model.job_id, registry.Model.name, registry.Model.version)
    theirs = query.where(registry.Model.job_id.in_(job_ids), registry.Model.card.is_(None))
    return {
        job_id: jobs.Refusal(
            "a model needs it", f"the model {name}@{version} has its card from job {job_id}; delete it first"
        )
        for job_id, name, version in session.execute(theirs)
        if job_id is not None
    }


def _delete_unread(session: Session, file_ids: Sequence[uuid.UUID]) -> set[str]:
    """Delete those of the uploads that no job reads; returns their keys."""
    if not file_ids:
        return set()
    unread = ~sa.exists().where(JobInput.file_id == File.id)
    delete = sa.delete(File).where(File.id.in_(file_ids), File.job_id.is_(None), unread)
    gone = delete.returning(File.storage_key).execution_options(synchronize_session=False)
    return set(session.scalars(gone))


def delete_upload(session: Session, file_id: uuid.UUID, *, if_unread: bool = False) -> list[str]:
    """Delete an upload; returns the storage's keys to delete after the commit. Jobs that have ended and read
    it can't be retried any more.

    Raises NotFound, and Conflict where a job needs it that has not ended or is to be kept, or with
    `if_unread` any job.
    """
    # What a job takes at this moment is locked by its foreign key: the row is looked at again after it.
    session.execute(sa.select(File.id).where(File.id == file_id).with_for_update())
    file = storage.get_file(session, file_id)
    job_id = job_that_needs(session, file_id)
    if job_id is not None:
        raise Conflict(f"job {job_id} needs the file {file_id}: it has not ended, or is to be kept")
    if if_unread:
        job_id = session.scalar(sa.select(JobInput.job_id).where(JobInput.file_id == file_id).limit(1))
        if job_id is not None:
            raise Conflict(
                f"job {job_id} read the file {file_id}, and could be retried with it: delete that job first"
            )
    note_lost(session, file_id)
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
    row = sa.select(registry.Dataset.id).where(registry.Dataset.id == dataset.id)
    if session.scalar(row.with_for_update()) is None:
        raise NotFound(f"the data set {dataset.reference} was deleted")
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
