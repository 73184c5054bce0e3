"""`python -m tests.chaos.bucket PORT`: a server of S3's protocol, by moto, that fails when it is told to.

Commands are lines on its standard input, and at the end of that it ends. Its objects are in its memory, so
who wants it to be away closes it, stops the process, or lets it refuse, but does not kill it.
"""

import datetime
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import s3_backends
from werkzeug.serving import BaseWSGIServer, make_server

REFUSAL = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
LONG_AGO = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC).replace(tzinfo=None)  # as moto has them


class Bucket:
    """The server: an application for WSGI that can refuse, and a listener that can be closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server: BaseWSGIServer | None = None
        self._refuses = False
        self.commands: dict[str, Callable[[], None]] = {
            "open": self.open,
            "close": self.close,
            "refuse": self.refuse,
            "answer": self.answer,
            "age": self.age,
        }

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not self._refuses:
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        # What is left unread would be answered by a reset of the connection.
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        head = [("Content-Type", "application/xml"), ("Content-Length", str(len(REFUSAL)))]
        start_response("503 Slow Down", head)
        return [REFUSAL]

    def open(self) -> None:
        """Listen and answer."""
        self._server = make_server(
            "127.0.0.1", self._port, self, threaded=True, request_handler=MotoRequestHandler
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Nobody listens any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def refuse(self) -> None:
        """Answer everything as a store does that is asked too much."""
        self._refuses = True

    def answer(self) -> None:
        """The end of `refuse`."""
        self._refuses = False

    def age(self) -> None:
        """As if all had been written long ago."""
        for account in s3_backends.values():
            for backend in account.values():
                for bucket in backend.buckets.values():
                    for key in list(bucket.keys.values()):
                        key.last_modified = LONG_AGO


def main() -> None:
    """Do what is told, until nothing is told any more."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    bucket = Bucket(int(sys.argv[1]))
    bucket.open()
    for line in sys.stdin:
        bucket.commands[line.strip()]()


if __name__ == "__main__":
    main()
