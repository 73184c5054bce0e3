"""What test_worker.py serves: `gunicorn tests.integration.web.server.application:application`."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException

from jobyard.web.server import connection, pace
from jobyard.web.server.connection import Waiting

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BIG = 8 << 20
MEDIUM = 900 << 10

# Nobody waits half a minute for a test, but where a test is about who doesn't have to wait for that at all.
SECONDS = float(os.environ.get("DEADLINE_OF_SLOW_CLIENTS", "1"))
connection.SECONDS |= {Waiting.HEAD: SECONDS, Waiting.BODY: SECONDS, Waiting.CLOSING: 2 * SECONDS}
pace.IDLE_SECONDS = 1.0  # type: ignore[misc]


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """By path: /read says how long the body is, /medium and /big are long, /stream comes piece by piece."""
    status, body = "200 OK", b"ok"
    match environ["PATH_INFO"]:
        case "/read":
            try:
                body = str(len(environ["wsgi.input"].read())).encode()
            except HTTPException as error:
                status, body = f"{error.code} {error.name}", b""
        case "/medium":
            body = b"m" * MEDIUM
        case "/big":
            body = b"b" * BIG
        case "/exit":
            sys.exit("as if something within a request had ended the process")
        case "/slow":
            time.sleep(1.0)
        case "/stream":
            start_response("200 OK", [])
            return _pieces()
    start_response(status, [("Content-Length", str(len(body)))])
    return [body]


def _pieces() -> Iterator[bytes]:
    yield b"first"
    time.sleep(1.0)
    yield b"second"
