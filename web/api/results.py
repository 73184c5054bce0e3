"""What a job leaves behind: metrics, history, predictions, artifacts."""

from typing import Any, Literal

from flask import Response, request, send_file
from flask_openapi3 import APIBlueprint, Tag
from pydantic import Field
from werkzeug.wrappers import Response as AnyResponse

from shared import catalog, jobs, metrics, storage
from shared.errors import NotFound
from web import schemas
from web.api.common import ANSWERS, SECURITY, JobPath, Query, answer, not_modified
from web.backend import backend

api = APIBlueprint(
    "results",
    __name__,
    url_prefix=f"{schemas.API}/jobs/<uuid:id>",
    abp_tags=[Tag(name="results", description="Metrics, predictions and files of a job")],
    abp_security=SECURITY,
    abp_responses=ANSWERS,
)


def _bytes(media_type: str) -> dict[str, Any]:
    return {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}


class MetricsQuery(Query):
    """Which part of the metric history."""

    name: str | None = Field(
        default=None, max_length=64, pattern=r"^[^\x00]*$", description="`loss`, `val_accuracy`, …"
    )
    points: int | None = Field(default=None, ge=1, le=100_000, description="At most so many of each name")


class PredictionsQuery(Query):
    """Which part of the predictions."""

    sort: Literal["row", "probability"] = Field(
        default="row", description="In the pictures' order, or the least sure first"
    )
    limit: int = Field(default=50, ge=1, le=1_000)
    cursor: int = Field(default=0, ge=0, lt=2**31, description="`next` of the part before")


class FilePath(JobPath):
    """The name of a job's artifact."""

    name: str


@api.get("/metrics", responses={200: schemas.Page[schemas.Metric]}, summary="The metric history")
def get_metrics(path: JobPath, query: MetricsQuery) -> Response:
    """There while the training still runs."""
    with backend().database.read() as session:
        jobs.get(session, path.id)
        rows = metrics.history(session, path.id, name=query.name, points=query.points)
    items = [schemas.Metric.model_validate(row) for row in rows]
    return answer(schemas.Page[schemas.Metric](items=items))


@api.get(
    "/history.png",
    responses={200: _bytes("image/png"), 304: None},
    summary="Accuracy and loss, training and validation, as a picture",
)
def get_history(path: JobPath) -> Response:
    """Drawn from the metric history, so it is there while the training still runs."""
    with backend().database.read() as session:
        job = jobs.get(session, path.id)
        rows = metrics.history(session, path.id, points=1_000)
    if not rows:
        raise NotFound(f"job {path.id} has no metrics (yet)")
    etag = f'"{job.version}.{len(rows)}"'
    if unchanged := not_modified(etag):
        return unchanged
    # matplotlib is 40 MB that an idle web process does without.
    from web.history import draw

    return Response(draw(rows), mimetype="image/png", headers={"ETag": etag, "Cache-Control": "no-cache"})


@api.get("/predictions", responses={200: schemas.Page[schemas.Prediction]}, summary="Rows of a prediction")
def get_predictions(path: JobPath, query: PredictionsQuery) -> Response:
    """All of them, where the job's result holds the first thousand."""
    with backend().database.read() as session:
        jobs.get(session, path.id)
        rows = catalog.predictions(
            session,
            path.id,
            unsure_first=query.sort == "probability",
            offset=query.cursor,
            limit=query.limit + 1,
        )
    items = [schemas.Prediction.model_validate(row) for row in rows[: query.limit]]
    more = str(query.cursor + query.limit) if len(rows) > query.limit else None
    return answer(schemas.Page[schemas.Prediction](items=items, next=more))


@api.get("/files", responses={200: schemas.Page[schemas.File]}, summary="A job's artifacts")
def list_artifacts(path: JobPath) -> Response:
    """Scored file, model."""
    with backend().database.read() as session:
        jobs.get(session, path.id)
        items = [schemas.File.of(file) for file in storage.artifacts(session, path.id)]
    return answer(schemas.Page[schemas.File](items=items))


@api.get("/files/<name>", responses={200: _bytes("*/*"), 304: None}, summary="Download an artifact")
def get_artifact(path: FilePath) -> AnyResponse:
    """Ranges and ETags work."""
    here = backend()
    with here.database.read() as session:
        jobs.get(session, path.id)
        found = [file for file in storage.artifacts(session, path.id) if file.name == path.name]
    if not found:
        raise NotFound(f"job {path.id} has no file {path.name!r}")
    file = found[0]
    if unchanged := not_modified(f'"{file.sha256}"'):
        return unchanged
    response = send_file(
        here.storage.open(file.storage_key),
        mimetype=file.media_type,
        as_attachment=True,
        download_name=file.name,
        etag=file.sha256,
    )
    response.content_length = file.bytes
    response.accept_ranges = "bytes"
    response.make_conditional(request.environ, accept_ranges=True, complete_length=file.bytes)
    return response
