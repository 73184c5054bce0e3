"""The way past Flask for the question that clients ask all the time: `GET /api/v1/jobs/{id}`.

Flask's share of such a request is larger than the database's. Only its plain form is answered here: the
token in its header, no query, and a job that is there. Everything else goes on to Flask, whose answer to
the plain form is the same (a test compares them).
"""

import re
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from shared import views
from shared.errors import NotFound
from web import auth
from web.api import bodies
from web.backend import Backend
from web.schemas import API

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# As Flask's own converter has it.
JOB: Final = re.compile(rf"{API}/jobs/([0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}})")

Answer = tuple[str, list[tuple[str, str]], bytes]


class Shortcut:
    """Wraps Flask's `wsgi_app`; `headers` are those that every answer has."""

    def __init__(self, app: "WSGIApplication", here: Backend, headers: Iterable[tuple[str, str]]) -> None:
        self._app = app
        self._here = here
        self._headers = list(headers)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if (
            environ["REQUEST_METHOD"] == "GET"
            and not environ.get("QUERY_STRING")
            and (found := JOB.fullmatch(environ["PATH_INFO"]))
            and auth.is_bearer(environ.get("HTTP_AUTHORIZATION", ""), self._here.token)
            and (answer := self._answer(uuid.UUID(found[1]), environ.get("HTTP_IF_NONE_MATCH")))
        ):
            status, headers, body = answer
            start_response(status, headers + self._headers)
            return [body]
        return self._app(environ, start_response)

    def _answer(self, job_id: uuid.UUID, known: str | None) -> Answer | None:
        """Status, headers and body; None if Flask should answer."""
        try:
            with self._here.database.look() as connection:
                if known is not None:
                    etag = bodies.etag_of(views.glance(connection, job_id))
                    # It may be a list, a weak one or `*`: Flask reads those.
                    return ("304 NOT MODIFIED", [("ETag", etag)], b"") if known == etag else None
                job = views.see(connection, job_id)
        except (NotFound, sa.exc.SQLAlchemyError):
            return None
        body = bodies.of_job(job)
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("ETag", bodies.etag_of(job)),
        ]
        return "200 OK", headers, body
