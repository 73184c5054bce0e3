"""The rows and groups of a scored file: more routes of a job's results."""

import hashlib
from pathlib import PurePosixPath
from typing import Literal

from flask import Response, request
from pydantic import Field
from pydantic_core import to_json
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import jobs, registry
from jobyard.web import schemas
from jobyard.web.api.common import JobPath, Query, answer, attach, download, downloads, not_modified
from jobyard.web.api.results import TableQuery, api
from jobyard.web.backend import current_backend
from jobyard.web.problems import Problem
from jobyard.web.services.exports import BY_ROW, MEDIA_TYPES, Export, Filter, Format
from jobyard.web.services.scored_files import check_has_groups, scored_file, stored_file


class ScoredRowsQuery(Query):
    """Which rows of a scored file, and their order."""

    label: Literal["positive", "neutral", "negative"] | None = None
    search: str | None = Field(
        default=None, max_length=1_000, description="Only texts that contain this, in any case"
    )
    sort: str = Field(
        default=BY_ROW,
        max_length=1_000,
        description="`row`, the order of the file, or the name of a column, or `@` and its number, from 1; "
        "with `-` in front the other way round. Rows without a value come last. Texts that are numbers come "
        "before others, and others in alphabetical order whatever their case",
    )


class ScoresQuery(ScoredRowsQuery):
    """A page of the rows of a scored file."""

    limit: int = Field(default=50, ge=1, le=1_000)
    cursor: str | None = Field(
        default=None, max_length=50, description="`next` or `previous` of another page of these rows"
    )
    count: bool = Field(default=False, description="Also say how many rows there are, as `total`")


class ScoresFileQuery(ScoredRowsQuery, TableQuery):
    """Which rows of a scored file, their order, and how they are written."""


class GroupsQuery(Query):
    """A page of the groups."""

    limit: int = Field(default=50, ge=1, le=1_000)
    cursor: int = Field(default=0, ge=0, lt=2**31, description="`next` of the previous page")


class ScoresFilePath(JobPath):
    """The format of a file of scored rows."""

    format: Format


@api.get("/scores", responses={200: schemas.ScoredRows, 409: Problem}, summary="Rows of a scored file")
def get_scores(path: JobPath, query: ScoresQuery) -> Response:
    """For a file that was scored with `format: parquet`.

    A page may have fewer rows than `limit` where they are very long; there are more rows as long as `next` is
    not null.
    """
    backend = current_backend()
    with backend.database.read() as session:
        job = jobs.get(session, path.id)
        file = scored_file(session, job)
    # DuckDB is 50 MB that an idle web process does without.
    from jobyard.web.services import scores

    question = scores.Question(
        query.label, query.search, query.sort, query.limit, query.cursor, counted=query.count
    )
    address, column = backend.storage.address(file.storage_key), (job.result or {})["column"]
    rows = scores.read(address, column, question, backend.storage.check)
    page = {"items": rows.items, "next": rows.next, "previous": rows.previous, "total": rows.total}
    return answer(to_json(page, inf_nan_mode="strings"))


@api.get(
    "/scores.<format>",
    responses=downloads(*MEDIA_TYPES.values()) | {409: Problem, 503: Problem},
    summary="Rows of a scored file as a file",
)
def get_scores_file(path: ScoresFilePath, query: ScoresFileQuery) -> AnyResponse:
    """Those that `GET /scores` lists, with the columns, names and order of the scored file, as Parquet, CSV
    (UTF-8; null is empty), JSON lines or a workbook of Excel (at most 1,048,575 rows).

    All rows in the format that the job was scored with are that file itself, with ranges. Any others need a
    file that was scored with `format: parquet`. The answer begins when all of it has been written.
    503 with `Retry-After` while others are written: after 20 seconds, or at once where four requests wait.
    """
    backend = current_backend()
    export = Export(Filter(query.label, query.search), query.sort, path.format, query.escape_formulas)
    with backend.database.read() as session:
        job = jobs.get(session, path.id)
        stored = stored_file(session, job)
        if export.is_whole and path.format == (job.result or {})["format"]:
            return download(stored, stored.name, stored.media_type)
        file = scored_file(session, job)
    # So it stays: the scored file is never changed.
    asked = hashlib.sha256(to_json(export)).hexdigest()
    etag = f'W/"{file.sha256[:32]}.{asked[:32]}"'
    if unchanged := not_modified(etag):
        return unchanged
    response = Response(mimetype=MEDIA_TYPES[path.format], headers={"ETag": etag})
    attach(response, export.file_name(PurePosixPath(file.name).stem))
    if request.method == "HEAD":
        return response
    # DuckDB is 50 MB that an idle web process does without.
    from jobyard.web.services import score_exports

    column, least = (job.result or {})["column"], backend.settings.min_free_bytes
    written = score_exports.write(backend.storage, file.storage_key, column, export, least, size=file.bytes)
    response.content_length = written.size()
    response.response = written.chunks()
    response.call_on_close(written.rest.close)
    return response


@api.get(
    "/groups",
    responses={200: schemas.Page[schemas.ScoreGroup], 409: Problem},
    summary="Groups of a scored file",
)
def get_groups(path: JobPath, query: GroupsQuery) -> Response:
    """For a file that was scored with `group_by`; the largest group first."""
    with current_backend().database.read() as session:
        check_has_groups(jobs.get(session, path.id))
        rows = registry.score_groups(session, path.id, offset=query.cursor, limit=query.limit + 1)
    items = [schemas.ScoreGroup.model_validate(row) for row in rows[: query.limit]]
    more = str(query.cursor + query.limit) if len(rows) > query.limit else None
    return answer(schemas.Page[schemas.ScoreGroup](items=items, next=more))
