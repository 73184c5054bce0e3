"""Delimited text: CSV, TSV and their like, with newlines in quoted fields."""

import functools
import heapq
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.reading import ColumnNumber
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables import kernels, row_kernel
from jobyard.workers.sentiment.tables.broken import SHOWN, Broken
from jobyard.workers.sentiment.tables.dialects import Dialect
from jobyard.workers.sentiment.tables.fields import strings, unescaped, with_nulls
from jobyard.workers.sentiment.tables.headers import is_value
from jobyard.workers.sentiment.tables.margins import Margins
from jobyard.workers.sentiment.tables.names import unique_names
from jobyard.workers.sentiment.tables.table import (
    ALL,
    MAX_COLUMNS,
    Rows,
    TextTable,
    batch_rows,
    check_columns,
    choose,
)
from jobyard.workers.sentiment.tables.window import MAX_LINE, TOO_LONG, Part, Window

# What is counted: rows that are the header once more. Names that were given are not in it.
HEADERS = "headers"
GIVEN = re.compile(r"Unnamed: \d+|.*\.\d+", re.DOTALL)
# The last line of what PostgreSQL's COPY writes, and psql of some versions keeps.
END_MARK = re.compile(rb"(?<=\n)(\\\.\r?\n?|\x1a)$")


def without_end_mark(stream: IO[bytes], whole: Part) -> Part:
    """The part without PostgreSQL's mark at its end, or that of DOS, if it has one."""
    stream.seek(max(whole.start, whole.end - 5))
    found = END_MARK.search(stream.read(whole.end - stream.tell()))
    return whole if found is None else whole._replace(end=whole.end - len(found[0]))


def repeats_of(counts: Mapping[str, int]) -> list[str]:
    """A sentence about rows that are the header once more, if there are any."""
    count = counts.get(HEADERS, 0)
    if not count:
        return []
    rows = "1 row has" if count == 1 else f"{count:,} rows have"
    return [
        f"{rows} the names of the columns once more, and is scored as a text"
        if count == 1
        else f"{rows} the names of the columns once more, and are scored as texts"
    ]


class Delimited(TextTable):
    """Fields are strings. Blank lines are no rows, unless there is but one column.

    A row that a quote breaks ends with the line on which that quote opens.
    """

    def __init__(self, dialect: Dialect, columns: list[str]) -> None:
        self.kind = dialect.kind
        self.columns = columns
        self.dialect = dialect
        self._sentences: list[str] = []
        self._counting: Finder | None = None
        self.counts: Counter[str] = Counter()

    @property
    def warnings(self) -> Sequence[str]:
        merged = None if self._counting is None else self._counting.merged()
        return self._sentences if merged is None else [*self._sentences, merged]

    @property
    def read_as(self) -> dict[str, Any]:
        return self.dialect.read_as()

    def begin(self, stream: IO[bytes], whole: Part, broken: Broken, progress: Progress) -> Part:
        whole = without_end_mark(stream, whole)
        start = self._after_lines(stream, whole, self.dialect.skip_lines, progress)
        window, finder = Window(stream, start, progress), Finder(self.dialect, 0)
        used = 0
        while window.move(used):
            used, _ = finder.find(window, 0, len(window.data), Broken(skip=False), 1)
            if finder.rows:
                self._take_header(window, used)
                if not self.dialect.header:
                    return start
                rest = Part(window.position + used, whole.end, window.line_of(used) - 1)
                return self._after_lines(stream, rest, 1, progress) if self.dialect.is_ruled else rest
        raise WorkError("the file has no rows")

    def _after_lines(self, stream: IO[bytes], whole: Part, count: int, progress: Progress) -> Part:
        window, left = Window(stream, whole, progress), count
        used = 0
        while left and window.move(used):
            used = 0
            while left and (end := window.data.find(b"\n", used) + 1):
                used, left = end, left - 1
            used = used if not left else len(window.data)
        if left:
            raise WorkError(
                f"the file has fewer than the {self.dialect.skip_lines:,} lines that are to be skipped"
            )
        return Part(window.position + used, whole.end, whole.lines_before + count)

    def _take_header(self, window: Window, used: int) -> None:
        if (flaw := window.flaw(0, used)) is not None:
            raise WorkError(f"line {window.line_of(flaw[0])}: {flaw[1]}")
        where = f"line {window.line_of(used - 1)}: "
        finder = Finder(self.dialect, 0, 1)
        finder.look(window, 0, used, 1, skip=False)
        count = finder.counts[0]
        if count > MAX_COLUMNS:
            raise WorkError(f"{where}has {count:,} columns; should have at most {MAX_COLUMNS:,}")
        if not self.dialect.header:
            self.columns = [f"column_{number}" for number in range(1, count + 1)]
            return
        finder = Finder(self.dialect, 0, 1, count)
        finder.look(window, 0, used, 1, skip=False)
        names = [column[0].as_py() or "" for column in finder.take(window)]
        if self.dialect.is_padded:
            names = [name.strip(" ") for name in names]
        names = Margins(self.dialect.before, self.dialect.after).around(names)
        self.columns, sentences = unique_names(names)
        self._sentences += sentences
        check_columns(self.columns, where)

    def choose(
        self, stream: IO[bytes], whole: Part, column: str | int | ColumnNumber | None, progress: Progress
    ) -> str:
        try:
            return choose(self.columns, column)
        except WorkError as error:
            if not self.dialect.header and not isinstance(column, int | ColumnNumber):
                remedy = "the first line is read as data; if it has names, set `header` to yes"
            elif len(self.columns) == 1 and re.search(r"\w\W+\w", self.columns[0]):
                remedy = "if that is several, `delimiter` should say what is between them"
            else:
                raise
            raise WorkError(f"{error.message}; {remedy}", field=error.field) from None

    def finder(self) -> "Finder":
        self._counting = Finder(self.dialect, len(self.columns))
        return self._counting

    def rows(
        self, stream: IO[bytes], part: Part, texts: str, broken: Broken, progress: Progress
    ) -> Iterator[Rows]:
        count = len(self.columns)
        most = batch_rows(count)
        window, finder = Window(stream, part, progress), Finder(self.dialect, count, most, count)
        used = 0
        while window.move(used):
            used, needs_more = 0, False
            while not needs_more:
                used, needs_more = finder.find(window, used, len(window.data), broken, most)
                found = finder.take(window)
                if len(found[0]):
                    rows = Rows(len(found[0]), dict(zip(self.columns, found, strict=True)))
                    if self.dialect.header:
                        self._count_headers(rows, texts)
                    yield rows

    def _count_headers(self, rows: Rows, texts: str) -> None:
        """Count rows that are the header once more."""
        if not pc.equal(rows.column(texts), texts).true_count:
            return
        same = [
            pc.equal(column, name).fill_null(False)
            for name, column in rows.columns.items()
            if not GIVEN.fullmatch(name)
        ]
        self.counts[HEADERS] += functools.reduce(pc.and_, same).true_count


def _are_numbered(lines: bytes) -> bool:
    """Whether each line begins or ends with a number that a comma separates from the rest."""
    rows = [line.decode(errors="replace").strip().split(",") for line in lines.splitlines()]
    return any(all(is_value(row[place].strip('"')) for row in rows) for place in (0, -1))


class Finder:
    """Finds rows of `width` fields, or of any number if that is 0.

    It keeps `room` of them, and where their first fields are: so many as it has `columns`.
    """

    def __init__(self, dialect: Dialect, width: int, room: int = 0, columns: int = 0) -> None:
        self.room = room
        self._dialect = dialect
        self._delimiter = ord(dialect.delimiter)
        self._width = width
        self._starts = np.zeros((room, columns), np.int32)
        self._lengths = np.zeros((room, columns), np.int32)
        self._spans = np.empty((room, 3), np.int32)
        self._breaks = np.empty((SHOWN, 3), np.int64)
        self._flawed = np.zeros(room, np.bool_)
        self._is_escaped = dialect.quote in ("backslash", "text")
        self._nulls = pa.array(dialect.nulls, pa.string())
        # As `row_kernel.rows_of` counts them; the last two are places in the window.
        self.noted = np.zeros(row_kernel.COUNTS, np.int64)
        self._merged: tuple[int, int] | None = None
        self.rows = 0

    @property
    def counts(self) -> Sequence[int]:
        """How many fields each row has that was found."""
        counts: Sequence[int] = self._spans[: self.rows, row_kernel.COUNT].tolist()
        return counts

    @property
    def begins(self) -> Sequence[int]:
        """Where in the window each row begins that was found."""
        begins: Sequence[int] = self._spans[: self.rows, row_kernel.BEGIN].tolist()
        return begins

    def find(
        self, window: Window, begin: int, stop: int, broken: Broken, most: int = ALL
    ) -> tuple[int, bool]:
        first = self.rows
        lines = window.line_of(begin) if not self.room else 0
        end, count = self.look(window, begin, stop, most, skip=broken.skip)
        if not self.room and window.line_of(end) - lines > self.rows - first + count:
            self._note_merged(window, begin, end)
        flaws = self._flaws(window, begin, end, first) if len(self._spans) else []
        if count or flaws:
            broken.rows(count + len(flaws), self._reasons(window, count, flaws))
        return end, self.rows < most

    def look(
        self, window: Window, begin: int, stop: int, most: int = ALL, *, skip: bool, noted: bool = False
    ) -> tuple[int, int]:
        """`find` without the reasons: where the next row begins, and how many are broken."""
        self.rows, end, count, window.skips = row_kernel.rows_of(
            np.frombuffer(window.data, np.uint8),
            begin,
            stop,
            window.is_last and stop == len(window.data),
            self._delimiter,
            True if self._dialect.quote in ("none", "text") else None,
            kernels.BACKSLASH if self._is_escaped else None,
            kernels.SPACE if self._dialect.is_padded else None,
            MAX_LINE,
            self._width,
            self._width == 1,
            self._starts,
            self._lengths,
            self._spans,
            self.rows,
            most,
            self._breaks,
            skip,
            self.noted if noted else self.noted[:0],
        )
        return end, count

    def merged(self) -> str | None:
        """A sentence about rows that quotes may have merged: those over lines each of which may be a row."""
        if self._merged is None or not self.noted[row_kernel.MERGED]:
            return None
        first, last = self._merged
        count = int(self.noted[row_kernel.MERGED])
        more = f", and {count - 1:,} more are like it" if count > 1 else ""
        return (
            f"lines {first:,} to {last:,} are one row, since a quote opens and closes on them, though each "
            f"has as many fields as a row{more}; if quotes are letters, set `quote` to none"
        )

    def _note_merged(self, window: Window, begin: int, end: int) -> None:
        """Look again at rows some of which have several lines."""
        if not self._dialect.is_guessed or self._width < 2:
            return
        finder = Finder(self._dialect, self._width)
        finder.look(window, begin, end, skip=True, noted=True)
        at, stop = map(int, finder.noted[row_kernel.MERGED_BEGIN :])
        if self._delimiter == ord(",") and self._width == 2 and not _are_numbered(window.data[at:stop]):
            return  # two lines with a comma each are nothing special
        self.noted += finder.noted
        if finder.noted[row_kernel.MERGED] and self._merged is None:
            self._merged = window.line_of(at), window.line_of(stop - 1)
            window.line_of(end)

    def take(self, window: Window) -> list[Any]:
        """The columns of the rows that were found, as Arrow arrays; what is found next is counted from 0."""
        buffer = np.frombuffer(window.data, np.uint8)
        starts, lengths = self._starts[: self.rows], self._lengths[: self.rows]
        if self._flawed.any():
            keep = ~self._flawed[: self.rows]
            starts, lengths = starts[keep], lengths[keep]
            self._flawed[:] = False
        self.rows = 0
        columns = [
            strings(buffer, starts[:, column], lengths[:, column]) for column in range(starts.shape[1])
        ]
        if _has_any(window.data, self._dialect.nulls):
            columns = [with_nulls(column, self._nulls) for column in columns]
        return [unescaped(column, self._dialect) for column in columns] if self._is_escaped else columns

    def _flaws(self, window: Window, begin: int, end: int, first: int) -> Sequence[int]:
        """Which rows, from the `first` on, are no text: they are between `begin` and `end`."""
        if first == self.rows or window.flaw(begin, end) is None:
            return []
        starts, ends = np.ascontiguousarray(self._spans[first : self.rows, : row_kernel.COUNT].T, np.int64)
        kernels.flawed(np.frombuffer(window.data, np.uint8), starts, ends, False, self._flawed[first:])
        found: list[int] = (first + np.flatnonzero(self._flawed[first : self.rows])).tolist()
        return found

    def _reasons(self, window: Window, count: int, flaws: Sequence[int]) -> Iterator[tuple[int, str]]:
        """The lines of the first broken rows and of those rows that are no text, in order, and why."""
        breaks = (
            (int(at), self._why(int(why), int(fields)))
            for at, why, fields in self._breaks[: min(count, SHOWN)]
        )
        found = (window.flaw(*map(int, self._spans[row, : row_kernel.COUNT])) for row in flaws)
        for at, why in heapq.merge(breaks, filter(None, found)):
            # What is no text may have no fields, either.
            flaw = window.flaw(window.data.rfind(b"\n", 0, at) + 1, at)
            yield window.line_of(at), why if flaw is None else flaw[1]

    def _why(self, code: int, count: int) -> str:
        expected = repr(self._dialect.delimiter)
        match code:
            case row_kernel.RAGGED:
                fields = "field" if count == 1 else "fields"
                said = f"has {count:,} {fields}; should have {self._width:,}, {self._as}"
                can_quote = count > self._width and self._dialect.quote in ("double", "backslash")
                return f"{said}: what has {expected} in it should be in quotes" if can_quote else said
            case row_kernel.UNCLOSED | row_kernel.CLOSED_LATER:
                return "a quote opens here, and is closed nowhere, or not at the end of a field"
            case row_kernel.UNDOUBLED:
                inside = "have a backslash" if self._dialect.quote == "backslash" else "be doubled"
                return f"{expected} expected after '\"'; a quote inside a quoted field should {inside}"
            case row_kernel.QUOTE_TOO_LONG:
                return f"is longer than {MAX_LINE:,} bytes: a quote opens here and is not closed within them"
            case _:
                return TOO_LONG

    @property
    def _as(self) -> str:
        return "as in the header" if self._dialect.header else "as in the first row"


def _has_any(data: bytes, nulls: Sequence[str]) -> bool:
    """Whether one of these is there. To look for one byte takes a tenth of the time, and mostly is enough."""
    return any(null[:1] in data and null in data for null in map(str.encode, nulls))
