"""What the work of a job printed and logged."""

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import Field

from jobyard.shared import jobs
from jobyard.shared.jobs import Place
from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, JobPath, Query, answer
from jobyard.web.backend import current_backend
from jobyard.web.patterns import LOGS_CURSOR
from jobyard.web.services import budgets

api = APIBlueprint(
    "logs",
    __name__,
    url_prefix=f"{schemas.API}/jobs/<uuid:id>",
    abp_tags=[Tag(name="results", description="Metrics, predictions, scores and files of a job")],
    abp_security=SECURITY,
)


class LogsQuery(Query):
    """A part of the output."""

    attempt: int | None = Field(default=None, ge=1, lt=2**31, description="Only of this attempt")
    after: str | None = Field(
        default=None,
        pattern=LOGS_CURSOR,
        description="Only what comes after the piece that has this `cursor`: `next` of the previous page",
    )
    limit: int = Field(default=1_000, ge=1, le=1_000)


@api.get(
    "/logs",
    responses={200: schemas.Page[schemas.LogPiece]},
    summary="What its work printed and logged, oldest first",
)
def get_logs(path: JobPath, query: LogsQuery) -> Response:
    """Also while the job is running. Of each attempt the first and the last 256 KB are kept.

    To follow it, ask again with the `cursor` of the last piece as `after`.
    """
    after = Place(*map(int, query.after.split(":"))) if query.after else Place(0, 0)
    with current_backend().database.read() as session:
        jobs.read_version(session.connection(), path.id)
        found = jobs.read_output(session, path.id, attempt=query.attempt, after=after, limit=query.limit + 1)
    shown, has_more = budgets.take(found, lambda piece: len(piece.text), limit=query.limit)
    items = []
    for piece in shown:
        expected = after.begins if piece.attempt == after.attempt else 0
        after = Place(piece.attempt, piece.ends)
        items.append(
            schemas.LogPiece(
                attempt=piece.attempt,
                begins=piece.begins,
                left_out=max(piece.begins - expected, 0),
                text=piece.text,
                at=piece.at,
                cursor=f"{after.attempt}:{after.begins}",
            )
        )
    more = items[-1].cursor if has_more else None
    return answer(schemas.Page[schemas.LogPiece](items=items, next=more))
