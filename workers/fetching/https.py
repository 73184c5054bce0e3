"""Files of https:// addresses: the host is checked, and the connection is made to what was checked.

http.client reads the answer; it knows no proxies, follows no redirects, and logs nothing.
"""

import http.client
import io
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final
from urllib.parse import urljoin

import certifi

from jobyard.shared.addresses import Address, parse
from jobyard.shared.errors import WorkError
from jobyard.shared.source_rules import HOSTS, SourceRules
from jobyard.workers.fetching.networks import Resolve, checked, connected, resolve
from jobyard.workers.fetching.stream import Incoming, Unreachable
from jobyard.workers.fetching.wire import Pace, Wire
from jobyard.workers.runtime.progress import Progress

CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 30.0
# Of one file: 2 GiB come at 600 kB a second.
MOST_SECONDS: Final = 3_600.0
GRACE_SECONDS: Final = 60.0
LEAST_BYTES: Final = 10_000
MAX_REDIRECTS: Final = 5
BUFFER_BYTES: Final = 1 << 16

REDIRECTS: Final = {301, 302, 303, 307, 308}
BUSY: Final = {408, 425, 429, 500, 502, 503, 504}
# What a connection, its encryption and the answer through it may raise.
ERRORS: Final = (OSError, http.client.HTTPException)


class _Socket:
    """What http.client takes a socket for: requests go out, and answers come through a Wire.

    It closes nothing: http.client would, as soon as it knows that there is one answer only.
    """

    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        self._socket = sock
        self._pace = pace

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(IDLE_SECONDS)
        self._socket.sendall(data)

    def makefile(self, *_: object) -> IO[bytes]:
        return io.BufferedReader(Wire(self._socket, self._pace), BUFFER_BYTES)

    def close(self) -> None:
        return None


@contextmanager
def opened(
    address: Address, rules: SourceRules, progress: Progress, look_up: Resolve = resolve
) -> Iterator[Incoming]:
    """The file at an address. Redirects are followed; where they lead is checked like the address itself.

    Raises WorkError that says why there is none, and Unreachable if there may be one soon.
    """
    pace = Pace(progress, idle=IDLE_SECONDS, most=MOST_SECONDS, grace=GRACE_SECONDS, least=LEAST_BYTES)
    at = address
    for _ in range(MAX_REDIRECTS + 1):
        with (
            connected(at, checked(at, rules, look_up), CONNECT_SECONDS) as sock,
            _secured(at, sock) as secured,
        ):
            answer = _asked(at, secured, pace)
            if answer.status not in REDIRECTS:
                yield _incoming(at, answer, progress)
                return
            at = _redirected(at, answer, rules)
    raise WorkError(f"the address is redirected more than {MAX_REDIRECTS} times")


def _secured(address: Address, sock: socket.socket) -> socket.socket:
    """The connection after the host has shown its certificate. Raises WorkError."""
    if address.scheme == "http":
        return sock
    try:
        # An end that isn't announced is one that somebody may have cut.
        return _trust().wrap_socket(sock, server_hostname=address.host, suppress_ragged_eofs=False)
    except ssl.SSLCertVerificationError as error:
        raise WorkError(
            f"the certificate of {address.netloc} can't be trusted: {error.verify_message}; SSL_CERT_FILE "
            "may name the authorities to trust"
        ) from None
    except ssl.SSLError as error:
        raise WorkError(f"{address.netloc} doesn't speak TLS: {error.reason or 'it ends'}") from None
    except OSError as error:
        raise _understood(error) from None


def _trust() -> ssl.SSLContext:
    """This machine's authorities, or where it has none those that Mozilla trusts."""
    context = ssl.create_default_context()
    # Python sets it since OpenSSL 3: an end that isn't announced would look like one that is.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(certifi.where())
    return context


def _asked(address: Address, sock: socket.socket, pace: Pace) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.sock = _Socket(sock, pace)
    try:
        connection.putrequest("GET", address.target, skip_host=True, skip_accept_encoding=True)
        for name, value in (
            ("Host", address.netloc),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", "jobyard"),
            ("Connection", "close"),
        ):
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse()
    except ERRORS as error:
        raise _understood(error) from None


def _redirected(address: Address, answer: http.client.HTTPResponse, rules: SourceRules) -> Address:
    try:
        target = parse(urljoin(address.whole, answer.getheader("Location") or ""))
    except ValueError:
        raise WorkError("the address is redirected to what is no address") from None
    if target.scheme != "https" and target.scheme != address.scheme:
        raise WorkError(f"the address is redirected to {target.scheme}://, which is not followed")
    try:
        rules.check(target)
    except WorkError:
        raise WorkError(f"the address is redirected to {target.netloc}, which {HOSTS} doesn't name") from None
    return target


def _incoming(address: Address, answer: http.client.HTTPResponse, progress: Progress) -> Incoming:
    status = answer.status
    if status in BUSY:
        raise Unreachable(f"the host {address.netloc} answers with {status} {http.client.responses[status]}")
    if status in (401, 403):
        raise WorkError(
            f"the host {address.netloc} refuses it ({status}); the address should be open to all, or have a "
            "signature in its query that is still valid"
        )
    if status in (404, 410):
        raise WorkError(f"the host {address.netloc} has no such file ({status})")
    if status != http.client.OK:
        raise WorkError(f"the host {address.netloc} answers with {status}, and should with 200 and the file")
    return Incoming(
        body=answer,
        size=answer.length,
        etag=answer.getheader("ETag"),
        last_modified=answer.getheader("Last-Modified"),
        progress=progress,
        understood=_understood,
        errors=ERRORS,
    )


def _understood(error: Exception) -> Exception:
    """As a WorkError, without what may be secret."""
    match error:
        case TimeoutError():
            return Unreachable(f"the host takes nothing for {IDLE_SECONDS:g} seconds")
        case ConnectionError() | ssl.SSLError() | http.client.IncompleteRead():
            return Unreachable("the connection was cut before the whole file was there")
        case http.client.HTTPException():
            return WorkError(f"the host's answer is no HTTP ({type(error).__name__})")
    return Unreachable(f"the connection fails: {getattr(error, 'strerror', None) or type(error).__name__}")
