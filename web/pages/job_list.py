"""The list of jobs: which are asked for in its address, and the page of them."""

import uuid
from typing import Any, Literal

from flask import Response, redirect, request, url_for
from pydantic import Field, ValidationError
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import jobs, kinds, queue_controls
from jobyard.shared.errors import BadInput
from jobyard.shared.open_transactions import oldest_transaction
from jobyard.web.backend import current_backend
from jobyard.web.field_errors import field_errors
from jobyard.web.pages.blueprint import routes
from jobyard.web.pages.live import live
from jobyard.web.pages.names import file_names

JOBS_PER_PAGE = 25


class ListQuery(jobs.JobFilter):
    """Which jobs, and which page of them: those after `cursor`, or those before `back`."""

    sort: Literal["newest", "oldest", "finished", "priority"] = "newest"
    cursor: str | None = Field(default=None, exclude=True)
    back: str | None = Field(default=None, exclude=True)

    @property
    def order(self) -> jobs.Order:
        return jobs.Order(self.sort)


@routes.get("/jobs")
def shortened() -> AnyResponse:
    """The list, for whoever shortens the address of a job."""
    query = request.query_string.decode(errors="replace")
    return redirect(url_for("pages.index") + (f"?{query}" if query else ""))


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
            matching=_matching(query),
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


def _page(session: Any, query: ListQuery) -> tuple[list[jobs.Job], str | None, str | None]:
    """The jobs, and the cursors of the pages before and after, if there are such pages."""
    order = query.order
    if query.back is not None:
        found, previous = jobs.page(
            session, query, order, after=_key(order, query.back), limit=JOBS_PER_PAGE, backwards=True
        )
        shown = found[::-1]
        return shown, _text(previous), _last(order, shown) or _next_to(order, query.back, 1)
    shown, following = jobs.page(session, query, order, after=_key(order, query.cursor), limit=JOBS_PER_PAGE)
    if query.cursor is None:
        return shown, None, _text(following)
    return shown, _last(order, shown[:1]) or _next_to(order, query.cursor, -1), _text(following)


def _next_to(order: jobs.Order, cursor: str, step: int) -> str:
    """What turns round on a page without jobs: the job of the cursor itself may be one of those before it."""
    key = jobs.OrderKey.read(order, cursor)
    rises = order in (jobs.Order.OLDEST, jobs.Order.PRIORITY)
    number = key.id.int + (-step if rises else step)
    return str(key._replace(id=uuid.UUID(int=min(max(number, 0), (1 << 128) - 1))))


def _last(order: jobs.Order, shown: list[jobs.Job]) -> str | None:
    """The cursor of the last of these jobs."""
    return str(jobs.OrderKey.of(order, shown[-1])) if shown else None


def _text(key: jobs.OrderKey | None) -> str | None:
    return None if key is None else str(key)


def _matching(query: ListQuery) -> dict[str, Any]:
    """The filter of all that are listed, in whatever order."""
    asked = {name: value for name, value in query.asked().items() if name != "sort"}
    listed = jobs.STATES_OF[query.order]
    if listed is not None:
        asked.setdefault("state", [state for state in jobs.State if state in listed])
    return asked


def _key(order: jobs.Order, cursor: str | None) -> jobs.OrderKey | None:
    return None if cursor is None else jobs.OrderKey.read(order, cursor)


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
        query = ListQuery.model_validate(given)
    except ValidationError as error:
        for one in field_errors(error):
            name = one.field.partition(".")[0]
            wrong[name] = one.message
            given.pop(name, None)
        query = ListQuery.model_validate(given)
    return _in_an_order(query, wrong), wrong


def _in_an_order(query: ListQuery, wrong: dict[str, str]) -> ListQuery:
    """Without an order that what is asked for does not have, and a page that the order does not have."""
    without: dict[str, Any] = {}
    try:
        jobs.check_order(query.order, query)
    except BadInput as error:
        wrong["sort"] = error.message
        without["sort"] = "newest"
    for name in ("cursor", "back"):
        try:
            _key(jobs.Order(without.get("sort", query.sort)), getattr(query, name))
        except BadInput as error:
            without[name] = None
            if "sort" not in wrong:
                wrong[name] = error.message
    return query.model_copy(update=without)
