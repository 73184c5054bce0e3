"""The bytes of a part of a file of text, a few megabytes at a time."""

from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa

from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.arrays import is_utf_8

NEWLINE = ord("\n")
BLOCK_BYTES = 4 << 20
# Bytes of a row, also of one that runs over several lines.
MAX_LINE = 10_000_000
TOO_LONG = f"is longer than {MAX_LINE:,} bytes"
NOT_UTF_8 = "is not UTF-8; if the file is in another encoding, set `encoding`"


class Part(NamedTuple):
    """Where a part of a file is: its bytes, and how many lines are before it. Of Parquet: its rows."""

    start: int
    end: int
    lines_before: int


class Window:
    """`data` is what is held of a part, from the byte `position` of the file on.

    Whatever is in the file, `progress` is checked before each block that is read.
    """

    def __init__(self, stream: IO[bytes], part: Part, progress: Progress) -> None:
        stream.seek(part.start)
        self._stream = stream
        self._progress = progress
        self._left = part.end - part.start
        # Whether what comes next is the rest of a line that is to be skipped.
        self.skips = False
        self.position = part.start
        self.data = b""
        # The line that a byte of `data` is on: of the last byte that was asked for.
        self._known = 0, part.lines_before + 1

    @property
    def is_last(self) -> bool:
        """Whether `data` reaches to the part's end."""
        return not self._left

    def move(self, used: int) -> bool:
        """Let go of so many bytes, and read on. False if nothing is left."""
        self._drop(used)
        self.data += self._read()
        while self.skips and self.data:
            end = self.data.find(b"\n") + 1
            self.skips = not end
            self._drop(end or len(self.data))
            self.data = self.data or self._read()
        return bool(self.data)

    def skip_line(self, at: int) -> int:
        """Where in `data` the next line begins after that place; its end, if the line continues after it."""
        end = self.data.find(b"\n", at) + 1
        self.skips = not end
        return end or len(self.data)

    def line_of(self, at: int) -> int:
        """The number, in the whole file, of the line that this byte is on."""
        known, line = self._known
        newlines = int(kernels.newlines(np.frombuffer(self.data, np.uint8), min(at, known), max(at, known)))
        self._known = at, line + newlines if at > known else line - newlines
        return self._known[1]

    def flaw(self, begin: int, end: int) -> tuple[int, str] | None:
        """Where and why these bytes are no text; None if they are."""
        zero = self.data.find(b"\0", begin, end)
        if zero < 0 and is_utf_8(_text(self.data, begin, end)):  # a tenth of the time that Python takes
            return None
        try:
            str(memoryview(self.data)[begin : end if zero < 0 else zero], "utf-8")
        except UnicodeDecodeError as error:
            at = begin + error.start
            byte = at - self.data.rfind(b"\n", 0, at)
            return at, f"byte {byte} {NOT_UTF_8}"
        return None if zero < 0 else (zero, "has a zero byte; should be text")

    def _drop(self, used: int) -> None:
        self._known = 0, self.line_of(used)
        self.position += used
        self.data = self.data[used:]

    def _read(self) -> bytes:
        self._progress.check()
        wanted = min(BLOCK_BYTES, self._left)
        block = self._stream.read(wanted)
        if len(block) != wanted:
            raise WorkError("the file has changed since it was read")
        self._left -= wanted
        return block


def _text(data: bytes, begin: int, end: int) -> Any:
    """These bytes as an array of one string."""
    offsets = pa.py_buffer(np.array([begin, end], np.int64))
    return pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(data)])
