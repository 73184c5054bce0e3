"""The list of jobs: which are asked for in its address, and the page of them."""

import uuid
from typing import Any, Literal

from flask import Response, request
from pydantic import Field, ValidationError

from jobyard.shared import jobs, kinds, queue_controls
from jobyard.shared.open_transactions import oldest_transaction
from jobyard.web.backend import current_backend
from jobyard.web.pages.blueprint import routes
from jobyard.web.pages.live import live
from jobyard.web.pages.names import file_names
from jobyard.web.problems import field_errors

JOBS_PER_PAGE = 25


class ListQuery(jobs.JobFilter):
    """Which jobs, and which page of them: those after `cursor`, or those before `back`."""

    sort: Literal["newest", "oldest"] = "newest"
    cursor: uuid.UUID | None = Field(default=None, exclude=True)
    back: uuid.UUID | None = Field(default=None, exclude=True)


@routes.get("/")
def index() -> Response:
    """The jobs that the filter has, newest first."""
    query, wrong = _query()
    with current_backend().database.read() as session:
        shown, previous, following = _page(session, query)
        return live(
            "jobs/list.html",
            "jobs/_list.html",
            query=query,
            kept=query.asked(),
            wrong=wrong,
            kinds=list(kinds.by_name()),
            jobs=shown,
            files=file_names(session, shown),
            counts=jobs.count_by_state(session),
            oldest_transaction=oldest_transaction(session),
            paused_queues=queue_controls.paused(session),
            previous=previous,
            next=following,
        )


def _page(session: Any, query: ListQuery) -> tuple[list[jobs.Job], uuid.UUID | None, uuid.UUID | None]:
    """The jobs, and the cursors of the pages before and after, if there are such pages."""
    oldest_first = query.sort == "oldest"
    if query.back is not None:
        found, previous = jobs.page(
            session, query, after=query.back, limit=JOBS_PER_PAGE, oldest_first=not oldest_first
        )
        shown = found[::-1]
        return shown, previous, shown[-1].id if shown else _next_to(query.back, 1 - 2 * oldest_first)
    shown, following = jobs.page(
        session, query, after=query.cursor, limit=JOBS_PER_PAGE, oldest_first=oldest_first
    )
    if query.cursor is None:
        return shown, None, following
    return shown, shown[0].id if shown else _next_to(query.cursor, 2 * oldest_first - 1), following


def _next_to(cursor: uuid.UUID, step: int) -> uuid.UUID:
    """What turns round on a page without jobs: the job of the cursor itself may be one of those before it."""
    return uuid.UUID(int=min(max(cursor.int + step, 0), (1 << 128) - 1))


def _query() -> tuple[ListQuery, dict[str, str]]:
    """The address's, and what in it makes no sense and is left out: people edit addresses by hand."""
    given: dict[str, Any] = {}
    for name, field in ListQuery.model_fields.items():
        values = [value for value in request.args.getlist(name) if value.strip()]
        if values:
            given[name] = values if field.annotation == list[str] or field.default == [] else values[-1]
    unknown = [kind for kind in given.get("kind", []) if kind not in kinds.by_name()]
    wrong = {"kind": f"there is no kind {unknown[0][:50]!r}"} if unknown else {}
    if unknown:
        del given["kind"]
    try:
        return ListQuery.model_validate(given), wrong
    except ValidationError as error:
        for one in field_errors(error):
            name = one.field.partition(".")[0]
            wrong[name] = one.message
            given.pop(name, None)
    return ListQuery.model_validate(given), wrong
