"""Running a failed or cancelled job again, if what it names is still there."""

import uuid

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.orm import Session

from jobyard.shared import jobs, kinds, registry
from jobyard.shared.errors import BadInput, NotFound
from jobyard.shared.needs import referents_of
from jobyard.web.backend import Backend
from jobyard.web.services.submission import TABLES


def retry(backend: Backend, job_id: uuid.UUID) -> jobs.Job:
    """The job, queued again and its queue woken.

    Raises as `jobs.retry`, and BadInput that names the field whose data set or model is gone.
    """
    with backend.database.write() as session:
        job = jobs.retry(session, job_id, backend.settings.max_attempts)
        _check_references(session, job)
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
    kind = kinds.by_name().get(job.kind)
    try:
        named = kind.references(kind.Spec.model_validate(job.spec)) if kind is not None else ()
    except ValidationError:  # of a spec from before the kind was changed
        named = ()
    for reference in named:
        try:
            if reference.name is not None:
                registry.find(session, TABLES[reference.noun], reference.name)
        except NotFound as error:
            raise BadInput(f"spec.{reference.field}", f"{error.message}; submit another job") from None
    raise BadInput("spec", "names a data set or a model that was deleted; submit another job")
