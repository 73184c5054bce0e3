"""The scored file of a job, or why there is none."""

from typing import Any

from sqlalchemy.orm import Session

from jobyard.shared import jobs, storage
from jobyard.shared.errors import Conflict, NotFound


def scored_file(session: Session, job: jobs.Job) -> storage.File:
    """The file whose rows can be read. Raises NotFound or Conflict where there is none."""
    result = _result_of_file(job)
    if result["format"] != "parquet":
        raise Conflict(
            f"the scored file of job {job.id} is {result['format']}, and is only downloaded whole, as that; "
            "its rows and other formats need a job with `format: parquet`, the default: score the file again"
        )
    return stored_file(session, job)


def stored_file(session: Session, job: jobs.Job) -> storage.File:
    """The file as it was scored, in whichever format. Raises NotFound or Conflict where there is none."""
    found = storage.artifact(session, job.id, _result_of_file(job)["file"])
    if found is None:
        raise NotFound(f"the scored file of job {job.id} was deleted")
    return found


def check_has_groups(job: jobs.Job) -> None:
    """Raises NotFound or Conflict where there are none."""
    if _result_of_file(job).get("group_by") is None:
        raise NotFound(f"job {job.id} has no groups; its spec has no `group_by`")


def _result_of_file(job: jobs.Job) -> dict[str, Any]:
    if job.kind != "sentiment" or not (job.spec.get("file") or job.spec.get("files")):
        raise NotFound(f"job {job.id} does not score a file")
    if job.state != jobs.State.SUCCEEDED:
        raise Conflict(f"job {job.id} is {job.state}; its scored rows can be read when it has succeeded")
    return job.result or {}
