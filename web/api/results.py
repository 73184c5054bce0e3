"""The results of a job: metrics, history, predictions, artifacts."""

import hashlib
from typing import Final, Literal

from flask import Response, send_file
from flask_openapi3 import APIBlueprint, Tag
from pydantic import Field
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import jobs, metrics, storage
from jobyard.shared.errors import NotFound
from jobyard.web import schemas
from jobyard.web.api.common import (
    SECURITY,
    JobPath,
    Query,
    answer,
    binary,
    download,
    downloads,
    not_modified,
)
from jobyard.web.backend import current_backend
from jobyard.web.patterns import METRICS_CURSOR, NO_NUL, PREDICTIONS_CURSOR
from jobyard.web.problems import Problem
from jobyard.web.services import predictions

api = APIBlueprint(
    "results",
    __name__,
    url_prefix=f"{schemas.API}/jobs/<uuid:id>",
    abp_tags=[Tag(name="results", description="Metrics, predictions, scores and files of a job")],
    abp_security=SECURITY,
)


class MetricsQuery(Query):
    """A part of the metric history."""

    name: str | None = Field(
        default=None, max_length=64, pattern=NO_NUL, description="`loss`, `val_accuracy`, …"
    )
    system: bool = Field(
        default=False,
        description="What the job uses, as `system/memory_bytes`, and not what its work reports. "
        "Its steps are seconds since its attempt began",
    )
    points: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="At most this many points per metric: the first, the last, and extremes between them",
    )
    limit: int = Field(default=20_000, ge=1, le=20_000)
    cursor: str | None = Field(
        default=None,
        max_length=90,
        pattern=METRICS_CURSOR,
        description="`next` of the previous page",
    )


class TableQuery(Query):
    """How names are written."""

    escape_formulas: bool = Field(
        default=False,
        description="Put an apostrophe before what a spreadsheet would run as a formula: it begins with =, "
        "+, -, @, a tab or a line break, and is no number",
    )


class ChosenPredictionsQuery(Query):
    """Which rows of a prediction, and their order."""

    label: str | None = Field(default=None, max_length=200, pattern=NO_NUL)
    sort: Literal["row", "probability"] = Field(
        default="row", description="In the order of the pictures, or the least probable label first"
    )

    @property
    def chosen(self) -> predictions.Chosen:
        return predictions.Chosen(self.label, self.sort == "probability")


class PredictionsQuery(ChosenPredictionsQuery):
    """A page of the predictions."""

    limit: int = Field(default=50, ge=1, le=1_000)
    cursor: str | None = Field(
        default=None,
        pattern=PREDICTIONS_CURSOR,
        description="`next` or `previous` of another page of these rows",
    )


class PredictionsTableQuery(ChosenPredictionsQuery, TableQuery):
    """Which rows of a prediction, their order, and how names are written."""


class FilesQuery(Query):
    """A page of the artifacts."""

    limit: int = Field(default=1_000, ge=1, le=1_000)
    cursor: str | None = Field(
        default=None, max_length=255, pattern=NO_NUL, description="`next` of the previous page"
    )


class FilePath(JobPath):
    """The name of a job's artifact."""

    name: str


# Points in a picture of all metrics.
MAX_DRAWN: Final = 20_000


@api.get("/metrics", responses={200: schemas.Page[schemas.Metric]}, summary="The metric history")
def get_metrics(path: JobPath, query: MetricsQuery) -> Response:
    """Also while the job is running.

    What it uses is left out, unless it is asked for by `system` or `name`.
    """
    after = None if query.cursor is None else _point(query.cursor)
    with current_backend().database.read() as session:
        jobs.read_version(session.connection(), path.id)
        rows = metrics.history(
            session,
            path.id,
            system=query.system,
            name=query.name,
            points=query.points,
            after=after,
            limit=query.limit + 1,
        )
    items = [schemas.Metric.model_validate(row) for row in rows[: query.limit]]
    more = f"{items[-1].step}:{items[-1].name}" if len(rows) > query.limit else None
    return answer(schemas.Page[schemas.Metric](items=items, next=more))


def _point(cursor: str) -> tuple[str, int]:
    step, _, name = cursor.partition(":")
    return name, int(step)


@api.get(
    "/history.png",
    responses={200: binary("image/png"), 304: None},
    summary="Accuracy and loss, training and validation, as a picture",
)
def get_history(path: JobPath) -> Response:
    """Plotted from the metric history, also while the training is running."""
    with current_backend().database.read() as session:
        job = jobs.read_version(session.connection(), path.id)
        rows = metrics.history(session, path.id, points=1_000, limit=MAX_DRAWN)
    if not rows:
        raise NotFound(f"job {path.id} has no metrics (yet)")
    ends = {row.name: row.step for row in rows}
    etag = f'"{job.version}.{len(ends)}.{sum(ends.values())}"'
    if unchanged := not_modified(etag):
        return unchanged
    # matplotlib is 40 MB that an idle web process does without.
    from jobyard.web.services.history_plot import draw

    return Response(draw(rows), mimetype="image/png", headers={"ETag": etag})


@api.get("/predictions", responses={200: schemas.Predictions}, summary="Rows of a prediction")
def get_predictions(path: JobPath, query: PredictionsQuery) -> Response:
    """All rows; the job's result holds the first thousand only. Pictures with an error have no label."""
    with current_backend().database.read() as session:
        job = jobs.get(session, path.id)
        rows = predictions.read(session, job, query.chosen, query.cursor, query.limit)
    return answer(schemas.Predictions(items=rows.items, next=rows.next, previous=rows.previous))


@api.get(
    "/predictions.csv",
    responses={200: binary("text/csv"), 304: None, 409: Problem},
    summary="Rows of a prediction as a table",
)
def get_predictions_csv(path: JobPath, query: PredictionsTableQuery) -> Response:
    """Row, image, label, probability, error, and the probability of each class, as UTF-8.

    Names are as submitted, and a spreadsheet runs one that begins with `=` as a formula, unless
    `escape_formulas` is given.
    """
    database = current_backend().database
    with database.read() as session:
        job = jobs.get(session, path.id)
        classes, etag = predictions.classes_of(session, job), _etag_of_table(job, query)
    if unchanged := not_modified(etag):
        return unchanged
    lines = predictions.as_csv(
        database, path.id, classes, query.chosen, escape_formulas=query.escape_formulas
    )
    headers = {"Content-Disposition": f"attachment; filename=predictions-{path.id}.csv", "ETag": etag}
    return Response(lines, mimetype="text/csv", headers=headers)


@api.get(
    "/predictions.parquet",
    responses={200: binary("application/vnd.apache.parquet"), 304: None, 409: Problem},
    summary="Rows of a prediction as Parquet",
)
def get_predictions_parquet(path: JobPath, query: ChosenPredictionsQuery) -> AnyResponse:
    """With the columns of the CSV."""
    database = current_backend().database
    with database.read() as session:
        job = jobs.get(session, path.id)
        classes, etag = predictions.classes_of(session, job), _etag_of_table(job, query)
    if unchanged := not_modified(etag):
        return unchanged
    # DuckDB is 50 MB that an idle web process does without.
    from jobyard.web.services.parquet import write

    file = write(predictions.columns(classes), predictions.table(database, path.id, classes, query.chosen))
    response = send_file(
        file,
        mimetype="application/vnd.apache.parquet",
        as_attachment=True,
        download_name=f"predictions-{path.id}.parquet",
    )
    response.headers["ETag"] = etag
    return response


def _etag_of_table(job: jobs.Job, query: Query) -> str:
    """Weak: the rows of a prediction that has succeeded stay, the bytes of their table may not."""
    asked = hashlib.sha256(query.model_dump_json().encode()).hexdigest()
    return f'W/"{job.id}.{job.version}.{asked[:16]}"'


@api.get("/files", responses={200: schemas.Page[schemas.File]}, summary="A job's artifacts")
def list_artifacts(path: JobPath, query: FilesQuery) -> Response:
    """The files that the job made: a model, a scored file, overlays."""
    with current_backend().database.read() as session:
        jobs.read_version(session.connection(), path.id)
        found = storage.artifacts(session, path.id, after=query.cursor, limit=query.limit + 1)
    items = [schemas.File.of(file) for file in found[: query.limit]]
    more = items[-1].name if len(found) > query.limit else None
    return answer(schemas.Page[schemas.File](items=items, next=more))


@api.get("/files/<name>", responses=downloads("*/*"), summary="Download an artifact")
def get_artifact(path: FilePath) -> AnyResponse:
    """With ranges and ETags."""
    with current_backend().database.read() as session:
        jobs.read_version(session.connection(), path.id)
        file = storage.artifact(session, path.id, path.name)
    if file is None:
        raise NotFound(f"job {path.id} has no file {path.name!r}")
    return download(file, file.name, file.media_type)
