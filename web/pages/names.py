"""Names of the files that jobs read, as pages show them."""

import uuid
from collections.abc import Iterable

from sqlalchemy.orm import Session

from jobyard.shared import jobs, storage
from jobyard.web.pages.fields import fields_of


def file_names(session: Session, shown: Iterable[jobs.Job]) -> dict[str, str]:
    """Names of the files that specs refer to, by id as the specs have it."""
    given = (
        job.spec.get(name)
        for job in shown
        for name, field in fields_of(job.kind).items()
        if field.input == "file"
    )
    ids = [uuid.UUID(file_id) for file_id in given if file_id and "://" not in file_id]
    return {str(file_id): name for file_id, name in storage.file_names(session, ids).items()} if ids else {}
