"""A client's connection as threads write to it: they don't wait for a client that reads slowly."""

import os
import select
import socket
from typing import TYPE_CHECKING, Any, Final

from jobyard.web.server.pace import Pace

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

# How much of an answer is kept in memory for a client that doesn't take it yet, so that its thread is free.
MAX_PENDING_BYTES: Final = 1 << 20
# What is written in smaller pieces goes into one packet.
SMALL_BYTES: Final = 16 << 10


class Stream(socket.socket):
    """A socket that never blocks by itself; `pending` is what the poller has still to send."""

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self.setblocking(False)
        self.pending = bytearray()
        self.pace = Pace()
        self._holds_head = False

    def close(self) -> None:
        """Nothing: gunicorn closes in a thread where an answer fails, but the poller still looks at it."""

    def end(self) -> None:
        """Close the connection. For the poller only."""
        super().close()

    def begin(self) -> None:
        """An answer begins: its head waits for what follows it."""
        self.pace = Pace()
        self._holds_head = True

    def flush(self) -> None:
        """Send of `pending` what the client takes now. Raises OSError if it has gone."""
        self._holds_head = False
        if self.pending:
            del self.pending[: self._send(self.pending)]

    def sendall(self, data: "Buffer", flags: int = 0) -> None:
        """Send, or keep in `pending`; wait only for what is beyond MAX_PENDING_BYTES.

        Raises TooSlow, and OSError if the client has gone.
        """
        rest = memoryview(data)
        if self._holds_head and len(rest) <= SMALL_BYTES:
            self.pending += rest
            self._holds_head = False
            return
        if len(rest) <= SMALL_BYTES and self.pending:
            self.pending += rest
            rest = rest[len(rest) :]
        rest = self._send_through(rest)
        while len(self.pending) + len(rest) > MAX_PENDING_BYTES:
            self.pace.wait(self.fileno(), select.POLLOUT)
            rest = self._send_through(rest)
        self.pending += rest

    def sendfile(self, file: Any, offset: int = 0, count: "int | None" = None) -> int:
        """Send `count` bytes of a file, a small one as `sendall` does. Raises as that does."""
        count = os.fstat(file.fileno()).st_size - offset if count is None else count
        if count <= MAX_PENDING_BYTES:
            data = os.pread(file.fileno(), count, offset)
            self.sendall(data)
            return len(data)
        self.flush()
        while self.pending:
            self.pace.wait(self.fileno(), select.POLLOUT)
            self.flush()
        sent = 0
        while sent < count:
            try:
                moved = os.sendfile(self.fileno(), file.fileno(), offset + sent, count - sent)
            except BlockingIOError:
                self.pace.wait(self.fileno(), select.POLLOUT)
                continue
            if not moved:  # the file is shorter than it was
                break
            self.pace.moved(moved)
            sent += moved
        return sent

    def _send_through(self, rest: memoryview) -> memoryview:
        """Send what is pending, then of `rest`; returns what is left of `rest`."""
        self.flush()
        return rest if self.pending else rest[self._send(rest) :]

    def _send(self, data: "bytearray | memoryview") -> int:
        if not data:
            return 0
        try:
            sent = self.send(data)
        except BlockingIOError:
            return 0
        self.pace.moved(sent)
        return sent
