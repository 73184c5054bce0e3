"""Deleting jobs, uploads, data sets and models: their rows first, then their bytes."""

import uuid

import sqlalchemy as sa

from jobyard.shared import audit, jobs, registry, retention
from jobyard.shared.registry import models
from jobyard.shared.storage import File, Reason
from jobyard.shared.tokens import Scope
from jobyard.web.auth import actor, current_identity
from jobyard.web.backend import current_backend


def remove_job(job_id: uuid.UUID) -> None:
    """Delete a job's rows, and then its files. Raises as `retention.delete_job`."""
    with current_backend().database.write() as session:
        job = jobs.get(session, job_id)
        told = {"kind": job.kind, "name": job.name, "created_by": job.created_by}
        keys = retention.delete_job(session, job_id)
        audit.note(session, actor(), "job.delete", str(job_id), told)
    current_backend().storage.remove(keys, Reason.DELETED)


def remove_upload(file_id: uuid.UUID, *, if_unread: bool = False) -> None:
    """Delete an upload's row, and then its bytes. Raises as `retention.delete_upload`.

    What a job has read, the owner of that job may need again: only administrators delete it.
    """
    if_unread = if_unread or not current_identity().scope.includes(Scope.ADMIN)
    with current_backend().database.write() as session:
        name = session.scalar(sa.select(File.name).where(File.id == file_id))
        keys = retention.delete_upload(session, file_id, if_unread=if_unread)
        audit.note(session, actor(), "file.delete", str(file_id), {"name": name})
    current_backend().storage.remove(keys, Reason.DELETED)


def remove_dataset(reference: str) -> None:
    """Delete a data set's row, and then its pictures. Raises as `retention.delete_dataset`."""
    with current_backend().database.write() as session:
        name = registry.find(session, registry.Dataset, reference).reference  # it may be an id
        keys = retention.delete_dataset(session, reference)
        audit.note(session, actor(), "dataset.delete", name)
    current_backend().storage.remove(keys, Reason.DELETED)


def remove_model(reference: str, aliases: str) -> None:
    """Delete a model's rows, and then its files. Raises as `models.delete`.

    `aliases` are those to delete with it, separated by commas.
    """
    with current_backend().database.write() as session:
        name = registry.find(session, registry.Model, reference).reference
        keys = models.delete(session, reference, [alias.strip() for alias in aliases.split(",")])
        audit.note(session, actor(), "model.delete", name, {"aliases": aliases} if aliases else None)
    current_backend().storage.remove(keys, Reason.DELETED)
