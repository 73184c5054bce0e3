"""A connection's bytes within limits of time, while the job may still be stopped."""

import io
import socket
import time
from typing import Any, Final

from jobyard.shared.errors import WorkError
from jobyard.workers.fetching.stream import Unreachable
from jobyard.workers.runtime.progress import Progress

# How often a connection that sends nothing is left to ask whether the job is to stop.
POLL_SECONDS: Final = 0.5


class Pace:
    """How long a file may take: `idle` seconds without a byte, `most` seconds in all, and after the first
    `grace` seconds at least `least` bytes a second.
    """

    def __init__(self, progress: Progress, *, idle: float, most: float, grace: float, least: int) -> None:
        self._progress = progress
        self._idle, self._most, self._grace, self._least = idle, most, grace, least
        self._began = self._last = time.monotonic()
        self._count = 0

    def check(self) -> None:
        """Raises WorkError if it takes too long, and Interrupted."""
        self._progress.check()
        now = time.monotonic()
        taken = now - self._began
        if now - self._last > self._idle:
            raise Unreachable(f"the host sends nothing for {self._idle:g} seconds")
        if taken > self._most:
            raise WorkError(f"the file takes more than {self._most:g} seconds to come; make it smaller")
        if taken > self._grace and self._count < self._least * taken:
            raise WorkError(f"the host sends less than {self._least:,} bytes a second")

    def take(self, count: int) -> None:
        """So many bytes have come."""
        self._count += count
        self._last = time.monotonic()


class Wire(io.RawIOBase):
    """What comes through a socket. It belongs to whoever has made the socket."""

    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        super().__init__()
        self._socket = sock
        self._pace = pace
        sock.settimeout(POLL_SECONDS)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            self._pace.check()
            try:
                count = self._socket.recv_into(buffer)
            except TimeoutError:
                continue
            self._pace.take(count)
            return count
