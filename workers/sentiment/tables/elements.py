"""The elements of JSON that is too large to be parsed at once: where each is, without a look into it."""

from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import numpy as np

from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables import json_kernel
from jobyard.workers.sentiment.tables.window import BLOCK_BYTES, NEWLINE

# Found at once.
MANY = 50_000


class Element(NamedTuple):
    """Where an element begins: its byte and its line, from 1; and its bytes, as far as they were kept."""

    at: int
    line: int
    data: bytes

    @property
    def kind(self) -> str:
        """`{`, `[`, `"`, or the first letter of a number or word."""
        return chr(self.data[0])


class Place(NamedTuple):
    """Where elements begin: a byte of the file, and its line."""

    at: int
    line: int


class Elements:
    """The elements from `place` on up to the bracket that closes what they are in, or the end of the file.

    Of each `most` bytes are kept; of the last one of a file that was cut, what there is.
    """

    def __init__(self, stream: IO[bytes], place: Place, progress: Progress, most: int) -> None:
        self._stream = stream
        self._progress = progress
        self._most = most
        # Where the closing bracket is; the end of the file if there is none.
        self.end = place
        self.is_closed = False
        self.closed_by = b""
        # Whether the file ends inside an element.
        self.is_cut = False
        # In an array: how many commas are missing, or have no element before them; how many colons there are;
        # and on which line the first of these is.
        self.missing = self.alone = self.colons = 0
        self.wrong_line = 0

    def __iter__(self) -> Iterator[Element]:
        state = np.zeros(json_kernel.STATE, np.int64)
        starts, ends = np.empty(MANY, np.int64), np.empty(MANY, np.int64)
        position, line = self.end
        begun, carried = self.end, b""
        while block := self._read(position):
            buffer = np.frombuffer(block, np.uint8)
            newlines = np.flatnonzero(buffer == NEWLINE)
            used = 0
            while used < len(block) and not self.is_closed:
                count, used, self.is_closed, rest = json_kernel.elements_of(buffer, used, state, starts, ends)
                self._note(state, newlines, line)
                lines = (line + np.searchsorted(newlines, starts[:count])).tolist()
                for start, end, at_line in zip(
                    starts[:count].tolist(), ends[:count].tolist(), lines, strict=True
                ):
                    if start < 0:
                        yield Element(*begun, (carried + block[:end])[: self._most])
                        carried = b""
                    else:
                        yield Element(position + start, at_line, block[start : min(end, start + self._most)])
                if rest >= 0:
                    begun = Place(position + rest, line + int(np.searchsorted(newlines, rest)))
                    carried = block[rest : rest + self._most]
                elif state[json_kernel.IN_ELEMENT] and not count and len(carried) < self._most:
                    carried += block[: self._most - len(carried)]
            self.end = Place(position + used, line + int(np.searchsorted(newlines, used)))
            if self.is_closed:
                self.closed_by = block[used : used + 1]
                return
            position, line = self.end
        if state[json_kernel.IN_ELEMENT]:
            self.is_cut = not state[json_kernel.BARE]
            yield Element(*begun, carried)

    def _note(self, state: Any, newlines: Any, line: int) -> None:
        self.missing, self.alone, self.colons = state[json_kernel.MISSING : json_kernel.NOTED].tolist()
        if state[json_kernel.NOTED] and not self.wrong_line:
            self.wrong_line = line + int(np.searchsorted(newlines, state[json_kernel.WHERE]))

    def _read(self, position: int) -> bytes:
        self._progress.check()
        self._stream.seek(position)
        return self._stream.read(BLOCK_BYTES)
