"""What a request has to pass before Flower's own code sees it, and what each response carries."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Awaitable
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, OutputTransform, RequestHandler, stream_request_body

from jobyard.shared.login_failures import LoginFailures

# Answers without a login, and says nothing but "OK".
OPEN: Final = "/healthcheck"
READING: Final = ("GET", "HEAD")
# Asks for a page of the table of tasks, as GET does.
READING_BY_POST: Final = "/tasks/datatable"

# The one script that stands in a page of Flower and not in a file, as it is sent.
INLINE: Final = b"\nvar autorefresh = 1;\n"
POLICY: Final = (
    f"default-src 'self'; script-src 'self' 'sha256-{b64encode(sha256(INLINE).digest()).decode()}'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard(Router):
    """Decides by a request's headers, before its body is read, whether Flower gets it.

    Needs the login, except for OPEN; and only lets through what reads, unless `control` is set.
    """

    def __init__(self, flower: Application, credentials: str, inner: str, *, control: bool) -> None:
        """`credentials` are `user:password`; `inner` is the header that Flower is shown instead of theirs."""
        self._flower = flower
        self._credentials = credentials.encode()
        self._inner = inner
        self._control = control
        self._failures = LoginFailures()

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate:
        if request.path == OPEN and request.method in READING:
            return self._flower.find_handler(request)
        refusal = self._refusal(request)
        if refusal is not None:
            return self._flower.get_handler_delegate(request, Refused, refusal)
        request.headers["Authorization"] = self._inner
        return self._flower.find_handler(request)

    def _refusal(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """The arguments of Refused, or None for what may pass."""
        address = request.remote_ip or ""
        given = request.headers.get("Authorization")
        if given is None:
            return {"status": HTTPStatus.UNAUTHORIZED, "message": "log in as jobyard, with the token"}
        wait = self._failures.wait(address)
        if wait:
            return {
                "status": HTTPStatus.TOO_MANY_REQUESTS,
                "message": f"too many wrong passwords: wait {wait:.0f} s",
                "retry_after": wait,
            }
        if not hmac.compare_digest(_decoded(given), self._credentials):
            self._failures.add(address)
            return {"status": HTTPStatus.UNAUTHORIZED, "message": "the user or the password is wrong"}
        reads = request.method in READING or (request.method == "POST" and request.path == READING_BY_POST)
        if not (reads or self._control):
            return {
                "status": HTTPStatus.FORBIDDEN,
                "message": "Flower is read-only; JOBYARD_FLOWER_CONTROL=true lets it control workers",
            }
        return None


@stream_request_body  # it answers without waiting for the body, which is then thrown away
class Refused(RequestHandler):
    """Answers with a line that says why."""

    def initialize(self, status: HTTPStatus, message: str, retry_after: float | None = None) -> None:
        self._refusal = status, message, retry_after

    def check_xsrf_cookie(self) -> None:
        """Nothing is done here that another site could want."""

    def prepare(self) -> None:
        status, message, retry_after = self._refusal
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Connection", "close")
        if status is HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", 'Basic realm="flower", charset="UTF-8"')
        if retry_after is not None:
            self.set_header("Retry-After", str(int(retry_after) + 1))
        self.finish(f"{message}\n")

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return None


class SafeHeaders(OutputTransform):
    """Adds HEADERS to each response of each handler, and keeps pages out of caches."""

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        self._is_static = request.path.startswith("/static/")

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        for name, value in HEADERS.items():
            headers[name] = value
        if not self._is_static:
            headers["Cache-Control"] = "no-store"
        headers.pop("Server", None)
        return status_code, headers, chunk


def _decoded(header: str) -> bytes:
    """`user:password` of a header of Basic authentication, or nothing if it is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return b64decode(encoded.strip(), validate=True)
    except ValueError:
        return b""
