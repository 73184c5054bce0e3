"""One metric of several jobs."""

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import Field

from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, Query, answer
from jobyard.web.backend import current_backend
from jobyard.web.patterns import NO_NUL
from jobyard.web.services import comparisons

api = APIBlueprint(
    "comparing",
    __name__,
    url_prefix=f"{schemas.API}/metrics",
    abp_tags=[Tag(name="results", description="Metrics, predictions, scores and files of a job")],
    abp_security=SECURITY,
)


class CompareQuery(Query):
    """Jobs and metric to compare."""

    jobs: str = Field(
        max_length=2_000, description=f"Ids separated by commas, at most {comparisons.MAX_RUNS}"
    )
    name: str = Field(
        default=comparisons.USUAL,
        max_length=64,
        pattern=NO_NUL,
        description="`loss`, `val_accuracy`, …",
    )
    points: int = Field(
        default=320,
        ge=1,
        le=10_000,
        description="At most this many points per job: the first, the last, and extremes between them",
    )


@api.get("/compare", responses={200: schemas.Comparison}, summary="Compare a metric of several jobs")
def compare(query: CompareQuery) -> Response:
    """The history of each job with its best and last value, and the differences between the specs."""
    ids = comparisons.ids_of(query.jobs)
    with current_backend().database.read() as session:
        found = comparisons.compare(session, ids, query.name, query.points)
    return answer(schemas.Comparison.of(found))
