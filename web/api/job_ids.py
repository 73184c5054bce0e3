"""Jobs by a part of their id."""

from typing import Final

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import Field

from jobyard.shared import jobs
from jobyard.shared.errors import BadInput
from jobyard.web import schemas
from jobyard.web.api import serializers
from jobyard.web.api.common import SECURITY, Query, answer
from jobyard.web.auth import actor
from jobyard.web.backend import current_backend

# So many candidates are shown of those that a part has in common.
SHOWN: Final = 10
LAST: Final = "@last"

api = APIBlueprint(
    "job_ids",
    __name__,
    url_prefix=f"{schemas.API}/jobs/find",
    abp_tags=[Tag(name="jobs", description="Submit, read, wait for and control jobs")],
    abp_security=SECURITY,
)


class PartQuery(Query):
    """A part of an id."""

    id: str = Field(
        min_length=4,
        max_length=64,
        description="The first or last characters of an id, at least 4; or `@last`, the token's newest job",
    )


@api.get("", responses={200: schemas.Page[schemas.Job]}, summary="Find jobs by a part of their id")
def find_jobs(query: PartQuery) -> Response:
    """Up to 10 jobs, newest first, as a list has them; `next` is not null where there are more.

    A beginning is looked for among all jobs, an end among the newest 10,000. Children of other jobs are
    found, too; `@last`, of the newest 10,000 jobs as well, is none of them.
    """
    digits = None if query.id == LAST else jobs.part_of_id(query.id)
    if digits is None and query.id != LAST:
        raise BadInput("id", f"should be at least 4 characters of an id, or {LAST}, but is {query.id!r}")
    with current_backend().database.read() as session:
        if digits is None:
            newest = jobs.newest_id(session, created_by=actor())
            found = [] if newest is None else [newest]
        else:
            found = jobs.matching_ids(session, digits, SHOWN + 1)
        oldest_first = jobs.read_snapshots(session.connection(), found[:SHOWN])
    more = str(found[SHOWN - 1]) if len(found) > SHOWN else None
    return answer(serializers.of_some(oldest_first[::-1], more))
