"""Every error as a problem document (RFC 9457); what is wrong with fields is said by `field_errors`."""

import logging
import tempfile
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from flask import Flask, Response, json, request
from flask.json.provider import DefaultJSONProvider
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import logs
from jobyard.shared.database import is_full as database_is_full
from jobyard.shared.disk import is_full
from jobyard.shared.errors import (
    BadInput,
    Busy,
    Conflict,
    DiskFull,
    JobyardError,
    NotFound,
    QuotaReached,
    StorageAway,
    StorageFailed,
    StorageRefused,
    TooLarge,
)
from jobyard.shared.migrate import revision_problem
from jobyard.shared.storage import failure_behind
from jobyard.web import bodies
from jobyard.web.backend import current_backend
from jobyard.web.field_errors import FieldError, Words, field_errors

log = logging.getLogger(__name__)

STATUS: dict[type[JobyardError], int] = {
    BadInput: 422,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    Busy: 503,
    QuotaReached: 429,
    StorageAway: 503,
    StorageRefused: 503,
    DiskFull: 507,
}
TITLES = {
    404: "Not Found",
    409: "Conflict",
    413: "Content Too Large",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}

RETRY_AFTER_SECONDS = 5

# Where in the WSGI environment an exception is that Flask is to answer for.
FAILED = "jobyard.failed"
# By which clients and operators find the lines of a request.
REQUEST_ID = "X-Request-Id"


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: Words
    errors: list[FieldError] = []
    request_id: str | None = Field(default=None, description="As the log has it, and the header X-Request-Id")


def problem(
    status: int, title: str, detail: str, errors: list[FieldError] | None = None, **headers: str
) -> Response:
    """A problem document as a response; `headers` are named with underscores."""
    request_id = logs.request_id()
    body = Problem(title=title, status=status, detail=detail, errors=errors or [], request_id=request_id)
    response = Response(body.model_dump_json(), status, mimetype="application/problem+json")
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def invalid(error: ValidationError) -> Response:
    """pydantic's findings, in the words of Jobyard."""
    if request.is_json and request.method in ("POST", "PUT", "PATCH") and (why := _json_error()):
        return problem(400, "Bad Request", f"the body is not valid JSON: {why}")
    errors = field_errors(error)
    if request.method == "GET":  # a parameter that may be repeated is no list to those who write it
        errors = [one.model_copy(update={"field": one.field.partition(".")[0]}) for one in errors]
    return problem(422, "Unprocessable Content", "; ".join(f"{e.field}: {e.message}" for e in errors), errors)


def _json_error() -> str | None:
    try:
        json.loads(request.get_data())
    except ValueError as error:
        return str(error)
    return None


class Json(DefaultJSONProvider):
    """Flask's, but it reads as `bodies` does."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return bodies.parse(s)


def register(app: Flask) -> None:
    """Let every error of every route leave as a problem document, and those from before Flask (FAILED)."""
    app.json = Json(app)
    app.before_request(_failed)
    app.register_error_handler(JobyardError, _ours)
    for away in (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError):
        app.register_error_handler(away, _database_away)
    app.register_error_handler(sa.exc.ProgrammingError, _wrong_statement)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)
    app.after_request(_identify)


def _identify(response: AnyResponse) -> AnyResponse:
    if (request_id := logs.request_id()) is not None:
        response.headers[REQUEST_ID] = request_id
    return response


def _failed() -> None:
    if error := request.environ.pop(FAILED, None):
        raise error


def _ours(error: JobyardError) -> Response:
    status = STATUS.get(type(error), 500)
    title = TITLES.get(status, "Internal Server Error")
    if isinstance(error, BadInput):
        errors = [FieldError(field=error.field, message=error.message)]
        return problem(status, title, f"{error.field}: {error.message}", errors)
    if status == 500:
        log.error("unexpected %s: %s", type(error).__name__, error.message)
    if status == 507 or isinstance(error, StorageFailed):
        log.error("%s", error.message)
    if status in (429, 503):
        return problem(status, title, error.message, Retry_After=str(RETRY_AFTER_SECONDS))
    return problem(status, title, error.message)


def _database_away(error: Exception) -> Response:
    if database_is_full(error):
        return _ours(DiskFull("the database's disk is full: free some space, or delete what is not needed"))
    other = _of_another_revision() if _lacks_something(error) else None
    return _unavailable(error, other or "the database can't be reached; try again soon")


def _unavailable(error: Exception, detail: str) -> Response:
    log.error("%s: %s", detail.partition(";")[0], str(error).splitlines()[0])
    return problem(503, "Service Unavailable", detail, Retry_After=str(RETRY_AFTER_SECONDS))


def _lacks_something(error: Exception) -> bool:
    """Whether SQLite says that a table or a column is missing. Nothing else is worth a second connection, for
    which a request would wait as long again where the database is away.
    """
    said = str(getattr(error, "orig", error))
    return said.startswith("no such ") or " has no column named " in said


def _of_another_revision() -> str | None:
    """Whether tables or columns are missing as the database was not migrated, or not by this version."""
    try:
        with current_backend().database.autocommit() as connection:
            return revision_problem(connection)
    except sa.exc.SQLAlchemyError:
        return None


def _wrong_statement(error: Exception) -> Response:
    """As PostgreSQL says that a table or a column is missing."""
    other = _of_another_revision()
    return _unavailable(error, other) if other else _unexpected(error)


def _http(error: HTTPException) -> AnyResponse:
    if error.response is not None:  # made by `invalid`
        return cast(AnyResponse, error.response)
    status = error.code or 500
    detail = error.description or error.name
    if status == 404:
        detail = f"there is no page or resource at {request.path}"
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        methods = ", ".join(sorted(error.valid_methods))
        detail = f"{request.method} is not allowed at {request.path}; allowed are {methods}"
    answer = problem(status, error.name, detail)
    for name in ("Allow", "Content-Range"):  # of 405 and 416
        if value := dict(error.get_headers()).get(name):
            answer.headers[name] = value
    return answer


def _unexpected(error: Exception) -> Response:
    if (failure := failure_behind(error)) is not None:
        return _ours(failure)
    if is_full(error):
        # Uploads are received into files of the system's own folder for them.
        found = current_backend().disk.fullest(Path(tempfile.gettempdir()))
        return _ours(DiskFull(f"the disk is full: {found}; free some space, or delete what is not needed"))
    log.error("unexpected error in %s %s", request.method, request.path, exc_info=error)
    return problem(500, "Internal Server Error", "an unexpected error in Jobyard; its log has the details")
