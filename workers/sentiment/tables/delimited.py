"""CSV and TSV: a header, quotes as in RFC 4180, newlines allowed in quoted fields."""

import csv
import heapq
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa

from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.broken import SHOWN, Broken
from jobyard.workers.sentiment.tables.table import ALL, Rows, TextTable, batch_rows, check_columns
from jobyard.workers.sentiment.tables.window import MAX_LINE, TOO_LONG, Part, Window

SEPARATORS = {"csv": (",", "commas"), "tsv": ("\t", "tabs")}


class Delimited(TextTable):
    """Fields are strings. Blank lines are no rows.

    A row that its quotes break ends with the line on which they do.
    """

    def __init__(self, kind: str, columns: list[str]) -> None:
        self.kind = kind
        self.columns = columns
        self._delimiter, self._separators = SEPARATORS[kind]

    def begin(self, stream: IO[bytes], whole: Part, broken: Broken, progress: Progress) -> Part:
        window, finder = Window(stream, whole, progress), self.finder()
        used = 0
        while window.move(used):
            used, _ = finder.find(window, 0, len(window.data), Broken(skip=False), 1)
            if finder.rows:
                self._take_header(window, used)
                return Part(window.position + used, whole.end, window.line_of(used) - 1)
        raise WorkError("the file has no rows")

    def _take_header(self, window: Window, used: int) -> None:
        if (flaw := window.flaw(0, used)) is not None:
            raise WorkError(f"line {window.line_of(flaw[0])}: {flaw[1]}")
        where = f"line {window.line_of(used - 1)}: "
        lines = [f"{line}\n" for line in window.data[:used].decode().split("\n")]
        try:
            (self.columns,) = filter(None, csv.reader(lines, delimiter=self._delimiter))
        except csv.Error as error:
            raise WorkError(f"{where}{error}; should be the names of the columns") from None
        check_columns(self.columns, where)
        if len(self.columns) == 1 and any(mark in self.columns[0] for mark in (";", "\t", ",")):
            raise WorkError(
                f"{where}the columns of {self.columns[0][:100]!r} should be separated by {self._separators}"
            )

    def finder(self) -> "_Finder":
        return _Finder(self._delimiter, 0, 0)

    def rows(
        self, stream: IO[bytes], part: Part, texts: str, broken: Broken, progress: Progress
    ) -> Iterator[Rows]:
        most = batch_rows(len(self.columns))
        window, finder = Window(stream, part, progress), _Finder(self._delimiter, len(self.columns), most)
        used = 0
        while window.move(used):
            used, needs_more = 0, False
            while not needs_more:
                used, needs_more = finder.find(window, used, len(window.data), broken, most)
                found = finder.take(window)
                if len(found[0]):
                    yield Rows(len(found[0]), dict(zip(self.columns, found, strict=True)))


class _Finder:
    """Finds rows, and where their fields are if they have `columns`."""

    def __init__(self, delimiter: str, columns: int, room: int) -> None:
        self._delimiter = ord(delimiter)
        self._starts = np.empty((room, columns), np.int32)
        self._lengths = np.empty((room, columns), np.int32)
        self._spans = np.empty((room, 2), np.int32)
        self._breaks = np.empty((SHOWN, 3), np.int64)
        self._flawed = np.zeros(room, np.bool_)
        self.rows = 0

    def find(
        self, window: Window, begin: int, stop: int, broken: Broken, most: int = ALL
    ) -> tuple[int, bool]:
        is_last = window.is_last and stop == len(window.data)
        buffer = np.frombuffer(window.data, np.uint8)
        first = self.rows
        self.rows, end, count, window.skips = kernels.rows_of(
            buffer,
            begin,
            stop,
            is_last,
            self._delimiter,
            MAX_LINE,
            self._starts,
            self._lengths,
            self._spans,
            self.rows,
            most,
            self._breaks,
            broken.skip,
        )
        flaws = self._flaws(window, begin, end, first) if len(self._spans) else []
        if count or flaws:
            broken.rows(count + len(flaws), self._reasons(window, count, flaws))
        return end, self.rows < most

    def take(self, window: Window) -> list[Any]:
        """The columns of the rows that were found, as Arrow arrays; what is found next is counted from 0."""
        buffer = np.frombuffer(window.data, np.uint8)
        starts, lengths = self._starts[: self.rows], self._lengths[: self.rows]
        if self._flawed.any():
            keep = ~self._flawed[: self.rows]
            starts, lengths = starts[keep], lengths[keep]
            self._flawed[:] = False
        self.rows = 0
        return [strings(buffer, starts[:, column], lengths[:, column]) for column in range(starts.shape[1])]

    def _flaws(self, window: Window, begin: int, end: int, first: int) -> Sequence[int]:
        """Which rows, from the `first` on, are no text: they are between `begin` and `end`."""
        if first == self.rows or window.flaw(begin, end) is None:
            return []
        starts, ends = np.ascontiguousarray(self._spans[first : self.rows].T, np.int64)
        kernels.flawed(np.frombuffer(window.data, np.uint8), starts, ends, False, self._flawed[first:])
        found: list[int] = (first + np.flatnonzero(self._flawed[first : self.rows])).tolist()
        return found

    def _reasons(self, window: Window, count: int, flaws: Sequence[int]) -> Iterator[tuple[int, str]]:
        """The lines of the first broken rows and of those rows that are no text, in order, and why."""
        breaks = ((int(at), self._why(why, fields)) for at, why, fields in self._breaks[: min(count, SHOWN)])
        found = (window.flaw(*map(int, self._spans[row])) for row in flaws)
        for at, why in heapq.merge(breaks, filter(None, found)):
            yield window.line_of(at), why

    def _why(self, code: int, fields: int) -> str:
        match code:
            case kernels.RAGGED:
                return f"has {fields} fields; should have {self._starts.shape[1]}, as in the header"
            case kernels.UNCLOSED:
                return "a quote opens here and is never closed"
            case kernels.UNDOUBLED:
                expected = repr(chr(self._delimiter))
                return f"{expected} expected after '\"'; a quote inside a quoted field should be doubled"
            case kernels.LONE_RETURN:
                return "a carriage return outside quotes; lines should end with LF or CRLF"
            case _:
                return TOO_LONG


def strings(buffer: Any, starts: Any, lengths: Any) -> Any:
    """An Arrow array of the fields of `buffer` that `kernels.rows_of` found."""
    offsets = np.empty(len(starts) + 1, np.int32)
    data = np.empty(int(lengths.sum(dtype=np.int64)), np.uint8)
    kernels.undoubled(buffer, starts, lengths, offsets, data)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(starts), buffers)
