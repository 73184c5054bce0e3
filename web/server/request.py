"""gunicorn's own parser over what the poller has read: it judges the framing, and waits for no head."""

import os
import select
from typing import Final

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import NoMoreData
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from werkzeug.exceptions import ClientDisconnected, RequestTimeout

from jobyard.web.server.pace import MIN_BYTES_PER_SECOND, Pace, TooSlow
from jobyard.web.server.stream import Stream

# A body that has at most so many bytes is read before a thread is taken for its request.
SMALL_BODY_BYTES: Final = 16 << 10

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Incoming(SocketUnreader):  # type: ignore[misc]
    """What the poller has read, and behind that, for bodies only, the socket."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self.pace = Pace()
        self.in_body = False
        self.expects_continue = False

    def feed(self, data: "bytes | bytearray") -> None:
        """Add what came from the socket."""
        self.buf.seek(0, os.SEEK_END)
        self.buf.write(data)

    def buffered(self) -> int:
        """How many bytes can be read without the socket."""
        return len(self.buf.getbuffer())

    def chunk(self, size_hint: "int | None" = None) -> bytes:
        """The next bytes of a body.

        Raises RequestTimeout and ClientDisconnected, which Flask answers, and NoMoreData outside of a body.
        """
        if not self.in_body:
            raise NoMoreData
        self.send_continue()
        size = min(max(self.mxchunk, size_hint or 0), self.max_body_chunk)
        while True:
            try:
                data: bytes = self.sock.recv(size)
            except BlockingIOError:
                try:
                    self.pace.wait(self.sock.fileno(), select.POLLIN)
                except TooSlow:
                    raise RequestTimeout(
                        f"the body should come with at least {MIN_BYTES_PER_SECOND:,} bytes a second"
                    ) from None
                continue
            if not data:
                raise ClientDisconnected
            self.pace.moved(len(data))
            return data

    def send_continue(self) -> None:
        """Let the client send the body, if it waits for that (`Expect: 100-continue`)."""
        if self.expects_continue:
            self.expects_continue = False
            self.sock.send(CONTINUE)


class ReadRequest(Request):  # type: ignore[misc]
    """A request after which the connection is closed unless its body was read."""

    def missing(self) -> int:
        """How many bytes of a small body have yet to come; 0 for all other bodies."""
        reader = self.body.reader
        if not isinstance(reader, LengthReader) or reader.length > SMALL_BODY_BYTES:
            return 0
        missing: int = reader.length - self.unreader.buffered()
        return max(0, missing)

    def body_is_here(self) -> bool:
        """Whether where the next request begins is known without waiting for the client."""
        if self.body.failed:
            return False
        reader = self.body.reader
        if isinstance(reader, LengthReader):
            return bool(reader.length <= self.unreader.buffered())
        return reader.parser is None  # all chunks were read

    def should_close(self) -> bool:
        """As gunicorn has it; asked when the answer's head is sent, and after it."""
        return bool(super().should_close()) or not self.body_is_here()


class Parser(RequestParser):  # type: ignore[misc]
    """Reads one request after the other from an `Incoming`."""

    mesg_class = ReadRequest

    def __init__(self, cfg: object, stream: Stream, client: object) -> None:
        super().__init__(cfg, stream, client)
        self.unreader = Incoming(stream)

    def next_request(self) -> ReadRequest:
        """The request whose head was fed. Raises gunicorn's errors where it is none."""
        incoming = self.unreader
        incoming.in_body = False
        request: ReadRequest = next(self)
        # gunicorn would ask for the body before the application has seen the token.
        incoming.expects_continue = request._expected_100_continue
        request._expected_100_continue = False
        incoming.in_body = True
        incoming.pace = Pace()
        return request

    def finish(self) -> None:
        """Drop what is left of the body. Only after `body_is_here`."""
        self.unreader.in_body = False
        self.finish_body()
