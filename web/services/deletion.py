"""Deleting jobs, uploads, data sets and models: their rows first, then their bytes."""

import uuid

from jobyard.shared import audit, retention
from jobyard.shared.registry import models
from jobyard.shared.storage import Reason
from jobyard.web.auth import actor
from jobyard.web.backend import current_backend


def remove_job(job_id: uuid.UUID) -> None:
    """Delete a job's rows, and then its files. Raises as `retention.delete_job`."""
    with current_backend().database.write() as session:
        keys = retention.delete_job(session, job_id)
        audit.note(session, actor(), "job.delete", str(job_id))
    current_backend().storage.remove(keys, Reason.DELETED)


def remove_upload(file_id: uuid.UUID, *, if_unread: bool = False) -> None:
    """Delete an upload's row, and then its bytes. Raises as `retention.delete_upload`."""
    with current_backend().database.write() as session:
        keys = retention.delete_upload(session, file_id, if_unread=if_unread)
        audit.note(session, actor(), "file.delete", str(file_id))
    current_backend().storage.remove(keys, Reason.DELETED)


def remove_dataset(reference: str) -> None:
    """Delete a data set's row, and then its pictures. Raises as `retention.delete_dataset`."""
    with current_backend().database.write() as session:
        keys = retention.delete_dataset(session, reference)
        audit.note(session, actor(), "dataset.delete", reference)
    current_backend().storage.remove(keys, Reason.DELETED)


def remove_model(reference: str, aliases: str) -> None:
    """Delete a model's rows, and then its files. Raises as `models.delete`.

    `aliases` are those to delete with it, separated by commas.
    """
    with current_backend().database.write() as session:
        keys = models.delete(session, reference, [alias.strip() for alias in aliases.split(",")])
        audit.note(session, actor(), "model.delete", reference, {"aliases": aliases} if aliases else None)
    current_backend().storage.remove(keys, Reason.DELETED)
