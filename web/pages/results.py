"""What the result's part of a job's page needs beside the job, by kind."""

import functools
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from flask import request
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.orm import Session

from jobyard.shared import jobs, registry
from jobyard.shared.errors import BadInput, JobyardError
from jobyard.web.backend import current_backend
from jobyard.web.pages import pictures
from jobyard.web.pages.filters import duration
from jobyard.web.patterns import NO_NUL
from jobyard.web.services import predictions
from jobyard.web.services.exports import BY_ROW, Format, why_no_workbook, workbook_seconds
from jobyard.web.services.scored_files import scored_file

if TYPE_CHECKING:
    from jobyard.web.services import scores

ROWS_PER_PAGE = 24
# Of the columns of a scored file's source. All others can be sorted by, and are in the downloads.
COLUMNS_SHOWN = 20
FORMATS: Final[dict[Format, str]] = {
    "csv": "CSV",
    "xlsx": "Excel",
    "parquet": "Parquet",
    "jsonl": "JSON lines",
}
GROUPS_PER_PAGE = 20
# A download that begins later than this says so.
SLOW_SECONDS = 10.0


class RowsQuery(BaseModel):
    """Which rows of a result: of texts those from `offset` on, else those after `cursor`; which `groups`."""

    offset: int = Field(default=0, ge=0, le=10**9)
    sort: str = Field(default=BY_ROW, max_length=1_000)
    label: str | None = Field(default=None, max_length=200, pattern=NO_NUL)
    search: str = Field(default="", max_length=1_000)
    cursor: str | None = None
    groups: int = Field(default=0, ge=0, le=10**9)


def rows_query() -> RowsQuery:
    """That of this request; what makes no sense is left out, as people edit addresses by hand."""
    try:
        return RowsQuery.model_validate({name: value for name, value in request.args.items() if value})
    except ValidationError:
        return RowsQuery()


def context(session: Session, job: jobs.Job, query: RowsQuery) -> dict[str, object]:
    """What the template of the job's kind needs; nothing for most kinds."""
    found = CONTEXTS.get(job.kind)
    return {} if found is None else found(session, job, query)


def _predicted(session: Session, job: jobs.Job, query: RowsQuery) -> dict[str, object]:
    """Rows of a prediction."""
    if job.result is None:
        return {}
    chosen = predictions.Chosen(query.label, query.sort == "probability")
    asked = functools.partial(predictions.read, session, job, chosen, limit=ROWS_PER_PAGE)
    try:
        page = asked(query.cursor)
    except BadInput:  # a cursor of another order
        page = asked(None)
    archive, first = job.spec.get("archive"), next((row for row in page.items if row.error is None), None)
    has_thumbnails = bool(archive and first and pictures.shows(session, uuid.UUID(archive), first.image))
    return {"predictions": page, "has_thumbnails": has_thumbnails}


def _scored(session: Session, job: jobs.Job, query: RowsQuery) -> dict[str, object]:
    """Rows and groups of a scored file, or why its rows can't be read."""
    if job.state != jobs.State.SUCCEEDED or job.spec.get("texts"):
        return {}
    found: dict[str, object] = {}
    if (job.result or {}).get("group_by") is not None:
        found["groups"] = registry.score_groups(
            session, job.id, offset=query.groups, limit=GROUPS_PER_PAGE + 1
        )
        found["groups_per_page"] = GROUPS_PER_PAGE
    try:
        found["asked"], scored = _rows(session, job, query)
        found["scored"], found["shown_columns"] = scored, COLUMNS_SHOWN
        columns, all_rows = len(scored.columns), int((job.result or {}).get("rows", 0))
        found["formats"] = _formats(job, all_rows, columns)
        found["formats_of_these"] = _formats(job, scored.total or 0, columns)
    except JobyardError as error:
        found["unreadable"] = error.message
    return found


def _formats(job: jobs.Job, rows: int, columns: int) -> dict[Format, str]:
    """What so many rows can be downloaded as, by name: first as what was scored."""
    read_as = (job.result or {}).get("read_as") or {}
    kind = str(read_as.get("format"))
    first: Format = "csv"
    if "sheet" in read_as:
        first = "xlsx"
    elif kind == "parquet":
        first = "parquet"
    elif kind in ("json", "jsonl"):
        first = "jsonl"
    formats = {first: FORMATS[first]} | FORMATS
    if why_no_workbook(rows, columns) is not None:
        del formats["xlsx"]
    elif (seconds := workbook_seconds(rows, columns)) >= SLOW_SECONDS:
        formats["xlsx"] += f" (begins after about {duration(seconds)})"
    return formats


def _rows(session: Session, job: jobs.Job, query: RowsQuery) -> "tuple[scores.Question, scores.ScorePage]":
    """What is shown of what was asked for, and the page."""
    file = scored_file(session, job)
    from jobyard.web.services import scores

    label = query.label if query.label in ("positive", "neutral", "negative") else None
    result = job.result or {}
    asked = scores.Question(
        label, query.search, query.sort, ROWS_PER_PAGE, query.cursor, counted=True, rows=result.get("rows")
    )
    stored, column = current_backend().storage, result["column"]
    read = functools.partial(scores.read, stored.address(file.storage_key), column, check=stored.check)
    first = asked._replace(cursor=None)
    for question in (asked, first):
        with suppress(BadInput):  # a cursor or a column that isn't there: people edit addresses by hand
            return question, read(question=question)
    unsorted = first._replace(sort=BY_ROW)
    return unsorted, read(question=unsorted)


CONTEXTS: Final[dict[str, Callable[[Session, jobs.Job, RowsQuery], dict[str, object]]]] = {
    "predict": _predicted,
    "sentiment": _scored,
}
