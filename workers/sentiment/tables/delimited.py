"""CSV and TSV: a header, quotes as in RFC 4180, newlines allowed in quoted fields."""

import csv
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import pyarrow as pa

from jobyard.shared.errors import WorkError
from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.broken import Broken
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

    def begin(self, stream: IO[bytes], whole: Part, broken: Broken) -> Part:
        window, finder = Window(stream, whole), self.finder()
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

    def rows(self, stream: IO[bytes], part: Part, texts: str, broken: Broken) -> Iterator[Rows]:
        most = batch_rows(len(self.columns))
        window, finder = Window(stream, part), _Finder(self._delimiter, len(self.columns), most)
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
        self._flawed: list[int] = []
        self.rows = 0

    def find(
        self, window: Window, begin: int, stop: int, broken: Broken, most: int = ALL
    ) -> tuple[int, bool]:
        is_last = window.is_last and stop == len(window.data)
        buffer = np.frombuffer(window.data, np.uint8)
        while True:
            self.rows, end, code, at, fields = kernels.rows_of(
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
            )
            if self._room:
                self._check(window, begin, end, broken)
            if code == kernels.MORE:
                return end, self.rows < most
            broken.row(window.line_of(at), self._why(code, fields))
            begin = window.skip_line(at)

    def take(self, window: Window) -> list[Any]:
        """The columns of the rows that were found, as Arrow arrays; what is found next is counted from 0."""
        buffer = np.frombuffer(window.data, np.uint8)
        starts, lengths = self._starts[: self.rows], self._lengths[: self.rows]
        if self._flawed:
            starts, lengths = np.delete(starts, self._flawed, 0), np.delete(lengths, self._flawed, 0)
        self.rows = 0
        self._flawed.clear()
        return [strings(buffer, starts[:, column], lengths[:, column]) for column in range(starts.shape[1])]

    @property
    def _room(self) -> int:
        return len(self._spans)

    def _check(self, window: Window, begin: int, end: int, broken: Broken) -> None:
        """Note the rows that are no text."""
        while (flaw := window.flaw(begin, end)) is not None:
            row = int(np.searchsorted(self._spans[: self.rows, 1], flaw[0], "right"))
            self._flawed.append(row)
            broken.row(window.line_of(flaw[0]), flaw[1])
            begin = int(self._spans[row, 1])

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
