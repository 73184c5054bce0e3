"""Files of https:// addresses: the host is checked, and the connection is made to what was checked.

http.client reads the answer; it knows no proxies, follows no redirects, and logs nothing.
"""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from jobyard.shared.addresses import Address
from jobyard.shared.errors import WorkError
from jobyard.shared.source_rules import HOSTS, SourceRules
from jobyard.workers.fetching.connections import (
    CONNECT_SECONDS,
    ERRORS,
    IDLE_SECONDS,
    REDIRECTS,
    PacedSocket,
    redirected,
    secured,
    understood,
)
from jobyard.workers.fetching.networks import Resolve, checked, connected, resolve
from jobyard.workers.fetching.stream import Incoming, Unreachable
from jobyard.workers.fetching.wire import Pace
from jobyard.workers.runtime.progress import Progress

# Of one file: 2 GiB come at 600 kB a second.
MOST_SECONDS: Final = 3_600.0
GRACE_SECONDS: Final = 60.0
LEAST_BYTES: Final = 10_000
MAX_REDIRECTS: Final = 5

BUSY: Final = {408, 425, 429, 500, 502, 503, 504}


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
            secured(at, sock) as encrypted,
        ):
            answer = _asked(at, encrypted, pace)
            if answer.status not in REDIRECTS:
                yield _incoming(at, answer, progress)
                return
            at = _redirected(at, answer, rules)
    raise WorkError(f"the address is redirected more than {MAX_REDIRECTS} times")


def _asked(address: Address, sock: socket.socket, pace: Pace) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.sock = PacedSocket(sock, pace)
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
        raise understood(error) from None


def _redirected(address: Address, answer: http.client.HTTPResponse, rules: SourceRules) -> Address:
    target = redirected(address, answer.getheader("Location") or "")
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
        understood=understood,
        errors=ERRORS,
    )
