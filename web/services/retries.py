"""Running a failed or cancelled job again, if what it names is still there."""

import uuid
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.orm import Session

from jobyard.shared import jobs, kinds, registry
from jobyard.shared.errors import BadInput, NotFound
from jobyard.shared.kinds.base import Kind
from jobyard.shared.needs import JobInput, addresses_of, referents_of
from jobyard.shared.storage import File
from jobyard.web.backend import Backend
from jobyard.web.services.submission import TABLES


def retry(backend: Backend, job_id: uuid.UUID) -> jobs.Job:
    """The job, queued again and its queue woken.

    Raises as `jobs.retry`, and BadInput that names the field whose data set, model or file is gone.
    """
    with backend.database.write() as session:
        job = jobs.retry(session, job_id, backend.settings.max_attempts)
        _check_references(session, job)
        _check_files(session, job)
    backend.wake(job)
    return job


def _check_references(session: Session, job: jobs.Job) -> None:
    """Raises BadInput where something is gone. What is there can't be deleted until the commit."""
    needed = set(referents_of(session, job.id))
    for table in (registry.Dataset, registry.Model):
        there = sa.select(table.id).where(table.id.in_(needed)).with_for_update(read=True)
        needed -= set(session.scalars(there))
    if not needed:
        return
    kind, spec = _declared(job)
    for reference in kind.references(spec) if kind is not None else ():
        try:
            if reference.name is not None:
                registry.find(session, TABLES[reference.noun], reference.name)
        except NotFound as error:
            raise BadInput(f"spec.{reference.field}", f"{error.message}; submit another job") from None
    raise BadInput("spec", "names a data set or a model that was deleted; submit another job")


def _check_files(session: Session, job: jobs.Job) -> None:
    """Raises BadInput where an upload was deleted. What is there can't be until the commit."""
    kind, spec = _declared(job)
    if kind is None:
        return
    needed = {name: file_id for name, file_id in kind.inputs(spec).items() if file_id is not None}
    read = session.scalars(sa.select(JobInput.file_id).where(JobInput.job_id == job.id))
    ids = {*read, *needed.values()}
    theirs = sa.select(File.id).where(File.id.in_(ids)).order_by(File.id).with_for_update(read=True)
    there = set(session.scalars(theirs)) if ids else set()
    for name, file_id in needed.items():
        if file_id not in there:
            raise BadInput(f"spec.{name}", f"the file {file_id} was deleted; submit another job")
    fetched = addresses_of(session, job.id)
    for name in kind.addresses(spec):
        if name not in fetched:
            raise BadInput(f"spec.{name}", "the file was deleted after it was fetched; submit another job")


def _declared(job: jobs.Job) -> tuple[Kind[Any] | None, Any]:
    """The job's kind and its spec; None where there is no such kind any more, or it has another spec now."""
    kind = kinds.by_name().get(job.kind)
    try:
        return kind, None if kind is None else kind.Spec.model_validate(job.spec)
    except ValidationError:
        return None, None
