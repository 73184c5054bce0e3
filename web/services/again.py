"""What would run a job once more: its request as it was, to be changed."""

import uuid
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from jobyard.shared import jobs, kinds, storage
from jobyard.shared.errors import Conflict
from jobyard.shared.kinds.base import Kind
from jobyard.shared.needs import addresses_of
from jobyard.web.services.references import with_value


@dataclass(frozen=True)
class Again:
    """A request: the kind, its spec with the ids of the uploads that the job read, and how it was marked.

    `missing` are the ids of uploads that were deleted since.
    """

    kind: str
    spec: dict[str, Any]
    priority: int
    name: str | None
    labels: dict[str, str]
    missing: list[str]


def again(session: Session, job_id: uuid.UUID) -> Again:
    """Raises NotFound, and Conflict where only its parent can be run again, or its kind is not installed.

    Names of data sets and models are those that were pinned then: `cats@3`. A file that was fetched from an
    address is the upload that it has become: the same bytes, and not what is at the address by now.
    """
    job = jobs.get(session, job_id)
    if job.parent_id is not None:
        raise Conflict(f"the job is a part of job {job.parent_id}; run that one again")
    declared = kinds.of_job(job.kind)
    if declared is None:
        raise Conflict(f"the kind {job.kind!r} is not installed any more")
    spec = dict(job.spec)
    for path, one in addresses_of(session, job_id).items():
        if one.file_id is not None:
            spec = with_value(spec, path, str(one.file_id))
    named = _uploads(declared, spec)
    there = storage.file_names(session, named) if named else {}
    return Again(
        kind=job.kind,
        spec=spec,
        priority=job.priority,
        name=job.name,
        labels=dict(job.labels or {}),
        missing=[str(file_id) for file_id in named if file_id not in there],
    )


def _uploads(kind: Kind[Any], spec: dict[str, Any]) -> list[uuid.UUID]:
    """Those that the spec names; none of one that an earlier version took, which a submit refuses."""
    try:
        inputs = kind.inputs(kind.Spec.model_validate(spec))
    except ValidationError:
        return []
    return list(dict.fromkeys(file_id for file_id in inputs.values() if file_id is not None))
