"""A host of files on this machine, with a certificate that was made for the test."""

import http.server
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

from tests.serving import serving

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Host:
    """What it has by path (bytes, or what answers), what it was asked, and who vouches for it."""

    port: int
    authority: Path
    has: dict[str, bytes | Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def name(self) -> str:
        """As JOBYARD_SOURCE_HOSTS has it."""
        return f"localhost:{self.port}"


@contextmanager
def running(folder: Path, *names: str) -> Iterator[Host]:
    """On loopback until the end, with a certificate for these names."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("localhost",))).configure_cert(context)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host.asked.append(self.path)
            host.headers.append(dict(self.headers))
            found = host.has.get(self.path.partition("?")[0])
            if callable(found):
                found(self)
            else:
                status(200 if found is not None else 404, found or b"")(self)

        def log_message(self, *_: Any) -> None:
            return None

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:  # a client that goes away is what some tests are about
            return None

        def get_request(self) -> tuple[Any, Any]:
            accepted, address = super().get_request()
            # The handshake is left to the first read, which is in a thread of its own.
            return context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False), address

    server = Server(("127.0.0.1", 0), Handler)
    host = Host(server.server_port, folder / "authority.pem")
    with serving(server):
        yield host


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """Answers with this; `headers` are named with underscores."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def redirect(location: str) -> Answer:
    return status(302, Location=location)
