"""The output of one attempt in memory, until a heartbeat writes it: its beginning, and its end."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from jobyard.shared.jobs import Piece
from jobyard.workers.runtime.output.lines import Lines

# In characters: the first and the last of an attempt's output are kept.
HEAD: Final = 256 * 1024
TAIL: Final = 256 * 1024
# Work that prints without end writes no more than this to the database, on average.
CHARACTERS_PER_SECOND: Final = 64 * 1024


class Output:
    """Any thread of the work may add to it."""

    def __init__(self, redact: Callable[[str], str], now: Callable[[], float] = time.monotonic) -> None:
        self._redact = redact
        self._now = now
        # Its own thread may come in once more: an object that is deleted meanwhile may print something.
        self._lock = threading.RLock()
        self._streams: dict[str, Lines] = {}
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        # Where the output, and what waits of its head and its tail, begin and end.
        self._ends = self._head_begins = self._tail_begins = 0
        self._tail_size = 0
        self._is_head_over = False
        self._due = 0.0

    def add(self, stream: str, text: str) -> None:
        """What a stream has written."""
        with self._lock:
            lines = self._streams.get(stream)
            if lines is None:
                lines = self._streams[stream] = Lines(self._redact)
            for line in lines.add(text):
                self._keep(line)

    def close(self) -> None:
        """The work has ended: a line that it has begun is one."""
        with self._lock:
            for lines in self._streams.values():
                for line in lines.rest():
                    self._keep(line)

    @property
    def waits(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._head or self._tail)

    def take(self, *, all_of_it: bool = False) -> list[Piece]:
        """What is to be written now: nothing if there is none, or so much was written that it can wait."""
        if not self.waits:  # most of the time
            return []
        with self._lock:
            now = self._now()
            if now < self._due and not all_of_it:
                return []
            pieces = []
            if self._head:
                pieces.append(Piece(self._head_begins, "".join(self._head)))
            if self._tail:
                pieces.append(Piece(self._tail_begins, "".join(self._tail)))
            self._head, self._tail, self._tail_size = [], deque(), 0
            self._head_begins = self._tail_begins = self._ends
            self._due = now + sum(len(piece.text) for piece in pieces) / CHARACTERS_PER_SECOND
        return pieces

    def _keep(self, line: str) -> None:
        begins, self._ends = self._ends, self._ends + len(line)
        self._is_head_over = self._is_head_over or self._ends > HEAD
        if not self._is_head_over:
            if not self._head:
                self._head_begins = begins
            self._head.append(line)
            return
        if not self._tail:
            self._tail_begins = begins
        self._tail.append(line)
        self._tail_size += len(line)
        self._drop()

    def _drop(self) -> None:
        """The oldest lines of a tail that is too long."""
        while self._tail_size > TAIL and len(self._tail) > 1:
            dropped = len(self._tail.popleft())
            self._tail_size -= dropped
            self._tail_begins += dropped
