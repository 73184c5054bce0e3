"""The way past Flask for what clients ask all the time: `GET /api/v1/jobs/{id}` and `POST /api/v1/jobs`.

Flask's share of such a request is larger than the database's. Only its plain form is answered here: the
token in its header, a job that is there, or one job that is accepted. Everything else is left to
Flask, whose answer to the plain form is the same (a test compares them).
"""

import io
import re
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_etags

from jobyard.shared import jobs, logs
from jobyard.shared.errors import BadInput, NotFound
from jobyard.shared.kinds.submission import SUBMISSION
from jobyard.shared.tokens import Identity
from jobyard.web import bodies
from jobyard.web.api import serializers
from jobyard.web.backend import Backend
from jobyard.web.problems import FAILED, REQUEST_ID
from jobyard.web.schemas import API
from jobyard.web.scopes import needed_for
from jobyard.web.services import submission
from jobyard.web.services.long_polling import until_it_ends

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# As Flask's own converter has it.
JOB: Final = re.compile(rf"{API}/jobs/([0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}})")

JOBS: Final = f"{API}/jobs"
# The scopes that these two need; Flask refuses those that have less.
TO_LOOK: Final = needed_for("jobs.get_job")
TO_SUBMIT: Final = needed_for("jobs.submit_job")
# In its plainest form, and within MAX_WAIT_SECONDS.
WAIT: Final = re.compile(r"(?:wait=([1-5]?[0-9]))?")
# Longer requests are left to Flask, which has an answer to those that are too long.
SHORT: Final = 1 << 20

Answer = tuple[str, list[tuple[str, str]], bytes]


class FastPath:
    """Wraps Flask's `wsgi_app`; `headers` are those that every answer behind the token has."""

    def __init__(self, app: "WSGIApplication", backend: Backend, headers: Iterable[tuple[str, str]]) -> None:
        self._app = app
        self._backend = backend
        self._headers = list(headers)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request_id = logs.begin_request(environ.get("HTTP_X_REQUEST_ID"))
        if answer := self._answer(environ):
            status, headers, body = answer
            start_response(status, [*headers, *self._headers, (REQUEST_ID, request_id)])
            return [body]
        return self._app(environ, start_response)

    def _answer(self, environ: "WSGIEnvironment") -> Answer | None:
        """None if Flask should answer."""
        try:
            identity = self._backend.tokens.of_header(environ.get("HTTP_AUTHORIZATION", ""))
        except sa.exc.SQLAlchemyError:
            return None
        if identity is None or not identity.scope.includes(TO_LOOK):
            return None
        method, path, query = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING")
        if method == "GET" and not query and (found := JOB.fullmatch(path)):
            return self._look(uuid.UUID(found[1]), environ.get("HTTP_IF_NONE_MATCH"))
        if not identity.scope.includes(TO_SUBMIT):
            return None
        if method == "POST" and path == JOBS and (asked := WAIT.fullmatch(query or "")):
            return self._submit(environ, float(asked[1] or 0), identity)
        return None

    def _look(self, job_id: uuid.UUID, known: str | None) -> Answer | None:
        try:
            with self._backend.database.autocommit() as connection:
                if known is not None:
                    etag = serializers.etag_of(jobs.read_version(connection, job_id))
                    if known == etag or parse_etags(known).contains_weak(etag.strip('"')):
                        return "304 NOT MODIFIED", [("ETag", etag)], b""
                job = jobs.read_snapshot(connection, job_id)
        except (NotFound, sa.exc.SQLAlchemyError):
            return None
        return _answer("200 OK", job)

    def _submit(self, environ: "WSGIEnvironment", wait: float, submitter: Identity) -> Answer | None:
        length = environ.get("CONTENT_LENGTH", "")
        if "HTTP_CONTENT_ENCODING" in environ:
            return None
        if environ.get("CONTENT_TYPE") != "application/json" or not length.isdecimal() or int(length) > SHORT:
            return None
        try:
            body = environ["wsgi.input"].read(int(length))
        except HTTPException as error:  # it came too slowly, or not at all
            environ[FAILED] = error
            return None
        environ["wsgi.input"] = io.BytesIO(body)  # for Flask, if it comes to that
        try:
            asked = SUBMISSION.validate_python(bodies.parse(body))
            key = submission.checked_key(environ.get("HTTP_IDEMPOTENCY_KEY"))
        except (ValueError, BadInput):
            return None
        try:
            job, is_new = submission.submit(self._backend, asked, key, submitter=submitter)
            ended = until_it_ends(self._backend, job.id, wait) if wait else None
            if ended:
                job = ended
            elif wait:
                with self._backend.database.autocommit() as connection:
                    job = jobs.read_snapshot(connection, job.id)
        except Exception as error:  # noqa: BLE001 - nobody but Flask has answers to errors
            environ[FAILED] = error
            return None
        status, headers, answer = _answer("202 ACCEPTED" if is_new and not ended else "200 OK", job)
        return status, [*headers, ("Location", f"{JOBS}/{job.id}")], answer


def _answer(status: str, job: jobs.JobSnapshot) -> Answer:
    body = serializers.of_job(job)
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("ETag", serializers.etag_of(job)),
    ]
    return status, headers, body
