"""Files whose every line is a row: plain texts."""

from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np

from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.fields import strings
from jobyard.workers.sentiment.tables.table import (
    ALL,
    DEFAULT_COLUMN,
    Rows,
    TextTable,
    batch_rows,
)
from jobyard.workers.sentiment.tables.window import MAX_LINE, TOO_LONG, Part, Window


class LineFinder:
    """Finds the ends of lines."""

    def __init__(self) -> None:
        self.rows = 0

    def find(
        self, window: Window, begin: int, stop: int, broken: Broken, most: int = ALL
    ) -> tuple[int, bool]:
        data = window.data
        seek = data.rfind if most == ALL else data.find
        end = max(begin, seek(b"\n", begin, stop) + 1)
        if end == begin and stop - begin > MAX_LINE:
            broken.rows(1, [(window.line_of(begin), TOO_LONG)])
            return window.skip_line(begin), True
        if window.is_last and stop == len(data) and (most == ALL or end == begin):
            end = stop
        self.rows += data.count(b"\n", begin, end) + (end > begin and data[end - 1] != ord("\n"))
        return end, self.rows < most


class Lines(TextTable):
    """Plain text: every line is a row with the one column `text`."""

    kind = "lines"

    def __init__(self) -> None:
        self.columns = [DEFAULT_COLUMN]

    def begin(self, stream: IO[bytes], whole: Part, broken: Broken, progress: Progress) -> Part:
        return whole

    def finder(self) -> LineFinder:
        return LineFinder()

    def rows(
        self, stream: IO[bytes], part: Part, texts: str, broken: Broken, progress: Progress
    ) -> Iterator[Rows]:
        for window, end in whole_lines(stream, part, broken, progress):
            buffer = np.frombuffer(window.data, np.uint8)
            ends = np.flatnonzero(buffer[:end] == ord("\n"))
            if not len(ends) or ends[-1] != end - 1:
                ends = np.append(ends, end)
            starts = np.append(0, ends[:-1] + 1)
            kernels.without_returns(buffer, starts, ends)
            flags = ends - starts > MAX_LINE
            if window.flaw(0, end) is not None:
                kernels.flawed(buffer, starts, ends, False, flags)
            if bad := np.flatnonzero(flags).tolist():
                broken.rows(len(bad), _reasons(window, starts, ends, bad))
                starts, ends = starts[~flags], ends[~flags]
            for first in range(0, len(starts), batch_rows(1)):
                some = slice(first, first + batch_rows(1))
                array = strings(buffer, starts[some], ends[some] - starts[some])
                yield Rows(len(array), {DEFAULT_COLUMN: array})


def whole_lines(
    stream: IO[bytes], part: Part, broken: Broken, progress: Progress
) -> Iterator[tuple[Window, int]]:
    """Windows, and up to where each has whole lines."""
    window, finder = Window(stream, part, progress), LineFinder()
    used = 0
    while window.move(used):
        used, _ = finder.find(window, 0, len(window.data), broken)
        if finder.rows:
            yield window, used
        finder.rows = 0


def _reasons(window: Window, starts: Any, ends: Any, bad: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The numbers of these lines, and why each is too long or no text."""
    for line in bad:
        begin, end = int(starts[line]), int(ends[line])
        flaw = None if end - begin > MAX_LINE else window.flaw(begin, end)
        yield window.line_of(begin), TOO_LONG if flaw is None else flaw[1]
