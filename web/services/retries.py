"""Running failed and cancelled jobs again, if what they name is still there."""

import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.orm import Session

from jobyard.shared import jobs, kinds, registry
from jobyard.shared.errors import BadInput, NotFound
from jobyard.shared.needs import JobInput, addresses_of, referents_of
from jobyard.shared.storage import File
from jobyard.shared.tokens import Identity
from jobyard.web.backend import Backend
from jobyard.web.services import quotas
from jobyard.web.services.references import TABLES

GONE = "names a data set, a model or a file that was deleted"


def retry(backend: Backend, job_id: uuid.UUID, submitter: Identity | None = None) -> jobs.Job:
    """The job, queued again and its queue woken.

    Raises as `jobs.retry`, QuotaReached, and BadInput that names the field of which the data set, the model
    or the file is gone.
    """
    with backend.database.write() as session:
        job = jobs.retry(session, job_id, backend.settings.max_attempts)
        if missing := lost(session, [job_id]).get(job_id):
            field, message = _named(session, job, missing)
            raise BadInput(field, f"{message}; submit another job")
        quotas.require(session, submitter, job)
    backend.wake(job)
    return job


def lost(session: Session, job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, set[uuid.UUID]]:
    """The ids of what these jobs name and is gone, by job. What is there stays until the commit."""
    inputs = sa.select(JobInput.file_id).where(JobInput.job_id.in_(job_ids))
    # Locked before it is asked what is lost: an upload that is being deleted is gone then, or stays.
    session.scalars(
        sa.select(File.id).where(File.id.in_(inputs)).order_by(File.id).with_for_update(read=True)
    ).all()
    named = referents_of(session, job_ids)
    needed = set[uuid.UUID]().union(*named.values())
    there: set[uuid.UUID] = set()
    for table in (registry.Dataset, registry.Model) if needed else ():
        rows = sa.select(table.id).where(table.id.in_(needed)).order_by(table.id).with_for_update(read=True)
        there |= set(session.scalars(rows))
    return {job_id: ids - there for job_id, ids in named.items() if ids - there}


def _named(session: Session, job: jobs.Job, missing: set[uuid.UUID]) -> tuple[str, str]:
    """The first field whose thing is gone, and what is to be said of it."""
    kind = kinds.of_job(job.kind)
    try:
        spec: Any = None if kind is None else kind.Spec.model_validate(job.spec)
    except ValidationError:  # of a spec from before the kind was changed
        kind = None
    if kind is None:
        return "spec", GONE
    for reference in kind.references(spec):
        try:
            if reference.name is not None:
                registry.find(session, TABLES[reference.noun], reference.name)
        except NotFound as error:
            return f"spec.{reference.field}", error.message
    for name, file_id in kind.inputs(spec).items():
        if file_id in missing:
            return f"spec.{name}", f"the file {file_id} was deleted"
    fetched = addresses_of(session, job.id)
    for name in kind.addresses(spec):
        if name not in fetched:
            return f"spec.{name}", "the file was deleted after it was fetched"
    return "spec", GONE
