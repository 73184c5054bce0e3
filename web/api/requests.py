"""The request of a job that was submitted, to be submitted again with changes."""

from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from jobyard.shared import kinds
from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, JobPath, answer
from jobyard.web.backend import current_backend
from jobyard.web.services.again import again

api = APIBlueprint(
    "requests",
    __name__,
    url_prefix=f"{schemas.API}/jobs",
    abp_tags=[Tag(name="jobs", description="Submit, read, wait for and control jobs")],
    abp_security=SECURITY,
)


class Alternative(BaseModel):
    """One of several things that a job of the kind can work on."""

    fields: list[str] = Field(description="Of which a spec has one, and none of another alternative's")
    own: list[str] = Field(description="Fields that make sense with these only")


class JobRequest(BaseModel):
    """What `POST /api/v1/jobs` takes."""

    kind: str
    priority: int
    spec: dict[str, Any]
    name: str | None
    labels: dict[str, str]


class Again(BaseModel):
    """A request that would run the job again, and what to know to change it."""

    request: JobRequest
    alternatives: list[Alternative]
    missing: list[str] = Field(description="Ids of uploads that the job read and that were deleted since")


@api.get("/<uuid:id>/request", responses={200: Again}, summary="Get what would run a job again")
def get_request(path: JobPath) -> Response:
    """The spec has the ids of the uploads that the job read, also of those that it fetched from an address,
    and the versions of data sets and models that it was pinned to. The note is left out.

    409 for a part of another job, or a kind that is not installed.
    """
    with current_backend().database.read() as session:
        asked = again(session, path.id)
    sources = kinds.find(asked.kind).sources
    found = Again(
        request=JobRequest(
            kind=asked.kind,
            priority=asked.priority,
            spec=asked.spec,
            name=asked.name,
            labels=asked.labels,
        ),
        alternatives=[
            Alternative(fields=[one for one in (source.field, source.several) if one], own=[*source.fields])
            for source in sources
        ],
        missing=asked.missing,
    )
    return answer(found)
