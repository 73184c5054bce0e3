"""One connection, and what the poller waits for on it."""

import re
import threading
import time
from enum import Enum, auto
from typing import Final

from jobyard.web.server.request import Parser, ReadRequest
from jobyard.web.server.stream import Stream

# A request line and headers; gunicorn's limits of each field lie within.
MAX_HEAD_BYTES: Final = 32 << 10
READING: Final = (b"GET ", b"HEAD ")
END_OF_HEAD: Final = b"\r\n\r\n"
# gunicorn refuses a head with one of these as soon as it sees it, whether or not it has ended.
BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n")


class Waiting(Enum):
    """What a connection waits for."""

    REQUEST = auto()  # the first byte of one
    HEAD = auto()  # the rest of it
    BODY = auto()  # all of a small one
    TAKING = auto()  # the client takes the answer
    CLOSING = auto()  # the client reads the last answer, and closes


# How long it may, however much comes meanwhile; only TAKING may take longer, with each byte that is taken.
SECONDS: Final = {
    Waiting.REQUEST: 30.0,  # browsers keep connections open for the next click
    Waiting.HEAD: 10.0,
    Waiting.BODY: 10.0,
    Waiting.TAKING: 30.0,
    Waiting.CLOSING: 5.0,
}


class Connection:
    """What gunicorn's `handle_request` needs of a connection, and the poller's notes about it."""

    def __init__(self, cfg: object, stream: Stream, client: object, server: object) -> None:
        self.sock = stream
        self.client = client
        self.server = server
        self.parser = Parser(cfg, stream, client)
        # Parsed, and waiting for the rest of its body.
        self.request: ReadRequest | None = None
        self.keep = False
        # Held to change whose it is: a thread's while `waiting` is None, else the loop's.
        self.lock = threading.Lock()
        self.waiting: Waiting | None = None
        self.event = 0
        self.deadline = 0.0
        self.discarded = 0
        self._received = bytearray()
        self._searched = 0
        self._missing = 0

    def wait(self, waiting: Waiting) -> None:
        """Begin to wait, or continue to until the same deadline."""
        if waiting is not self.waiting:
            self.waiting = waiting
            self.deadline = time.monotonic() + SECONDS[waiting]

    def receive(self, data: "bytes | bytearray") -> None:
        """Add what has come."""
        self._received += data

    def head_is_here(self) -> bool:
        """Whether gunicorn's parser can read the next head, or refuse it, without waiting."""
        if not self._received:
            return False
        begin = max(0, self._searched - len(END_OF_HEAD) + 1)
        self._searched = len(self._received)
        return (
            self._received.find(END_OF_HEAD, begin) >= 0
            or BARE_LINE_FEED.search(self._received, begin) is not None
        )

    def head_has_begun(self) -> bool:
        """Whether anything of the next request has come."""
        return bool(self._received)

    def head_is_too_long(self) -> bool:
        """Whether it has more than MAX_HEAD_BYTES and has not ended."""
        return len(self._received) > MAX_HEAD_BYTES

    def expect_body(self, bytes_missing: int) -> None:
        """The rest of the parsed request's body is to come."""
        self._missing = bytes_missing

    def body_is_here(self) -> bool:
        """Whether the parsed request can be handled."""
        return len(self._received) >= self._missing

    def only_reads(self) -> bool:
        """Whether the request that has come changes nothing."""
        return self.request is None and self._received.startswith(READING)

    def hand_over(self) -> None:
        """Give what has come to the parser: a thread is about to read it."""
        self.waiting = None
        self.parser.unreader.feed(self._received)
        self._received.clear()
        self._searched = self._missing = 0

    def is_idle(self) -> bool:
        """Whether nothing is left of the request, of its answer, or of another request."""
        return self.request is None and not self.sock.pending and not self.parser.unreader.buffered()

    def take_back(self) -> None:
        """What a client sent together with the request that was answered begins the next one."""
        self._received += self.parser.unreader.take_buffered()
