"""Failures: what failed alike, and retrying it."""

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from jobyard.shared import failures
from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, answer
from jobyard.web.backend import current_backend
from jobyard.web.patterns import FAILURES_KEY
from jobyard.web.services import operations

api = APIBlueprint(
    "failures",
    __name__,
    url_prefix=f"{schemas.API}/failures",
    abp_tags=[Tag(name="failures", description="What failed alike within a day, and retrying it")],
    abp_security=SECURITY,
)


class FailuresPath(BaseModel):
    """Jobs that failed alike."""

    key: str = Field(pattern=FAILURES_KEY, description="As the list has it")


@api.get("", responses={200: schemas.Page[schemas.Failures]}, summary="List what failed alike")
def list_failures() -> Response:
    """Of the last day, by kind, type and message, the most frequent first. Numbers and ids in messages are
    not compared, and of many failed jobs the newest 1,000 are looked at.
    """
    with current_backend().database.read() as session:
        items = [schemas.Failures.of(found) for found in failures.alike(session)]
    return answer(schemas.Page[schemas.Failures](items=items))


@api.get("/setbacks", responses={200: schemas.Page[schemas.Setbacks]}, summary="List what is tried again")
def list_setbacks() -> Response:
    """Jobs whose last attempt came to nothing: its worker was lost, a disk was full, the storage was away. By
    queue, kind and reason, the most frequent first; of each queue 200 jobs that wait for their next try are
    looked at, and those that run again.
    """
    with current_backend().database.read() as session:
        items = [schemas.Setbacks.of(found) for found in failures.tried_again(session)]
    return answer(schemas.Page[schemas.Setbacks](items=items))


@api.post("/<key>/retry", responses={200: schemas.Retried}, summary="Retry what failed alike")
def retry_failures(path: FailuresPath) -> Response:
    """Each job starts over. Those are refused that name a data set, a model or a file that was deleted, and
    those of the request's token beyond its quota of queued jobs.
    """
    done = operations.retry_alike(current_backend(), path.key)
    return answer(schemas.Retried.model_validate(done))
