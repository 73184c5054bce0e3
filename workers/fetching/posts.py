"""Messages to hosts: posted over the same checked connections as files are fetched from.

A redirect is followed with the same message, if where it leads passes the check like the address itself.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from jobyard.shared.addresses import Address, parse
from jobyard.shared.errors import WorkError
from jobyard.workers.fetching.connections import (
    ERRORS,
    REDIRECTS,
    PacedSocket,
    redirected,
    secured,
    trust,
    understood,
)
from jobyard.workers.fetching.networks import Resolve, Rules, checked, connected, resolve
from jobyard.workers.fetching.stream import Unreachable
from jobyard.workers.fetching.wire import Pace
from jobyard.workers.runtime.progress import NoProgress

# For a message and all redirects, names aside, which the system looks up in its own time.
MOST_SECONDS: Final = 10.0
MAX_REDIRECTS: Final = 3
# So much of an answer is read, that the host needn't see its connection cut; nothing of it is kept.
ANSWER_BYTES: Final = 1 << 16
# With 303 the answer is elsewhere, and the message has not to be sent there.
FOLLOWED: Final = REDIRECTS - {303}
# To read the machine's certificates takes longer than a message; after so long they may be others.
TRUST_SECONDS: Final = 600.0


class _Deadline(NoProgress):
    """Ends what takes too long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds; raises Unreachable if there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise Unreachable(f"the host has not answered within {self._seconds:g} seconds")
        return left

    def check(self, *, waiting: bool = False) -> None:
        self.left  # noqa: B018 - raises


class Poster:
    """Posts messages to where the rules allow it; threads may share it."""

    def __init__(self, rules: Rules, look_up: Resolve = resolve, *, seconds: float = MOST_SECONDS) -> None:
        self._rules = rules
        self._look_up = look_up
        self._seconds = seconds
        self._context: tuple[float, ssl.SSLContext] | None = None

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer, which is no redirect unless it is a 303.

        Raises WorkError that says why there is none: an address that is not allowed, say; Unreachable if the
        host doesn't answer. No message has anything of the address's query.
        """
        try:
            at = parse(url)
        except ValueError as error:
            raise WorkError(f"the address {error}") from None
        deadline = _Deadline(self._seconds)
        try:
            return self._posted(at, body, headers, deadline)
        except Unreachable:
            deadline.check()  # then it says how long that was
            raise

    def _posted(self, at: Address, body: bytes, headers: Mapping[str, str], deadline: _Deadline) -> int:
        for _ in range(MAX_REDIRECTS + 1):
            ips = checked(at, self._rules, self._look_up)
            with connected(at, ips, deadline.left) as sock:
                sock.settimeout(deadline.left)
                with secured(at, sock, self._trust(at)) as encrypted:
                    answer = _asked(at, encrypted, body, headers, deadline)
                    with suppress(WorkError, *ERRORS):
                        answer.read(ANSWER_BYTES)
            if answer.status not in FOLLOWED:
                return answer.status
            at = redirected(at, answer.getheader("Location") or "")
        raise WorkError(f"the address is redirected more than {MAX_REDIRECTS} times")

    def _trust(self, address: Address) -> ssl.SSLContext | None:
        if address.scheme == "http":
            return None
        if self._context is None or time.monotonic() - self._context[0] > TRUST_SECONDS:
            self._context = time.monotonic(), trust()
        return self._context[1]


def _asked(
    address: Address, sock: socket.socket, body: bytes, headers: Mapping[str, str], deadline: _Deadline
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(address.host, address.port)
    pace = Pace(deadline, idle=deadline.left, most=2 * deadline.left, grace=2 * deadline.left, least=0)
    connection.sock = PacedSocket(sock, pace)
    try:
        connection.putrequest("POST", address.target, skip_host=True, skip_accept_encoding=True)
        for name, value in {
            "Host": address.netloc,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "User-Agent": "jobyard",
            "Connection": "close",
            **headers,
        }.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        return connection.getresponse()
    except ERRORS as error:
        raise understood(error, "answer") from None
