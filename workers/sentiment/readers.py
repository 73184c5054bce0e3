"""Files of texts: finding out what they are, and reading them row by row.

Rows are streamed: memory doesn't grow with the file.
Every error is a WorkError that says where, and what would be right.
"""

import csv
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

from shared.errors import WorkError

# Bytes of a line, and characters of a CSV field, which may run over several lines.
MAX_LINE = 10_000_000
MAX_COLUMNS = 1_000
# Of column names in a message.
SHOWN = 20

DEFAULT_COLUMN = "text"


class _Missing:
    """A key that a JSONL row doesn't have, as opposed to one that is null."""


MISSING: Final = _Missing()

BINARIES = {
    b"\x1f\x8b": "the file is compressed (gzip); unpack it first",
    b"BZh": "the file is compressed (bzip2); unpack it first",
    b"\xfd7zXZ": "the file is compressed (xz); unpack it first",
    b"\x28\xb5\x2f\xfd": "the file is compressed (zstd); unpack it first",
    b"PK\x03\x04": "the file is a zip archive or a workbook; should be CSV, JSONL or plain text",
    b"PAR1": "the file is Parquet; should be CSV, JSONL or plain text",
    b"\xff\xfe": "the file is UTF-16; should be UTF-8",
    b"\xfe\xff": "the file is UTF-16; should be UTF-8",
}


class Row(NamedTuple):
    """One row: the number of the line that it ends on, its size in characters, and its values.

    Values are in the order of the table's columns: strings for CSV, TSV and plain lines, any JSON
    value (or MISSING) for JSONL.
    """

    line: int
    size: int
    values: list[Any]


class Part(NamedTuple):
    """Where a part of a file is: its bytes, and how many lines are before it."""

    start: int
    end: int
    lines_before: int


class Table(ABC):
    """A file of rows. Iterating reads it from the start; `columns` is complete once it was read through.

    With `part`, `path` has only that part of a file, which begins and ends between rows, and `columns` are
    the whole file's.
    """

    kind: str
    columns: list[str]

    def __init__(self, path: Path, part: Part | None = None) -> None:
        self._path = path
        self._lines_before = part.lines_before if part else 0
        # How much was read: the header, if there is one, then up to the row that was yielded last.
        self.bytes_read = 0
        self.lines_read = self._lines_before

    @abstractmethod
    def __iter__(self) -> Iterator[Row]:
        """Each row, in order. Raises WorkError at a broken one."""

    def choose(self, column: str | None) -> str:
        """The column of texts: `column`, else `text`, else the only one. Raises WorkError."""
        if column is not None and column in self.columns:
            return column
        if column is None and DEFAULT_COLUMN in self.columns:
            return DEFAULT_COLUMN
        if column is None and len(self.columns) == 1:
            return self.columns[0]
        missing = f"there is no column {column!r}" if column is not None else "there is no column 'text'"
        shown = ", ".join(repr(name[:100]) for name in self.columns[:SHOWN])
        more = f" and {len(self.columns) - SHOWN} more" if len(self.columns) > SHOWN else ""
        raise WorkError(f"{missing}; should be one of {shown}{more}")

    def _lines(self) -> Iterator[str]:
        """Lines with their ends, split at \\n alone: U+2028 and the like stay inside a text."""
        self.bytes_read = 0
        self.lines_read = number = self._lines_before
        with self._path.open("rb") as file:
            while line := file.readline(MAX_LINE + 1):
                self.bytes_read += len(line)
                self.lines_read = number = number + 1
                if len(line) > MAX_LINE:
                    raise WorkError(f"line {number}: is longer than {MAX_LINE:,} bytes")
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if b"\0" in line:
                    raise WorkError(f"line {number}: has a zero byte; should be text")
                try:
                    yield line.decode()
                except UnicodeDecodeError as error:
                    raise WorkError(
                        f"line {number}: byte {error.start + 1} is not UTF-8; the file should be UTF-8"
                    ) from None


class Delimited(Table):
    """CSV or TSV: a header, quotes as in RFC 4180, newlines allowed in quoted fields."""

    delimiter: str

    def __init__(self, path: Path, part: Part | None = None) -> None:
        super().__init__(path, part)
        self._has_header = part is None
        if part is not None:
            return
        header = next(self._records(), None)
        if header is None:
            raise WorkError("the file has no rows")
        self.columns = header[1]
        _check_columns(self.columns)
        if len(self.columns) == 1 and any(mark in self.columns[0] for mark in (";", "\t", ",")):
            raise WorkError(
                f"line 1: the columns of {self.columns[0][:100]!r} should be separated by "
                f"{'commas' if self.delimiter == ',' else 'tabs'}"
            )

    def __iter__(self) -> Iterator[Row]:
        records = self._records()
        if self._has_header:
            next(records)
        for line, row in records:
            if len(row) != len(self.columns):
                raise WorkError(
                    f"line {line}: has {len(row)} fields; should have {len(self.columns)}, as the header has"
                )
            yield Row(line, sum(map(len, row)), row)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        csv.field_size_limit(MAX_LINE)  # the process's; its default of 131,072 is too low for documents
        # Strict, so that a quote that is never closed is an error and doesn't swallow the file.
        reader = csv.reader(self._lines(), delimiter=self.delimiter, strict=True)
        start = self._lines_before + 1
        try:
            for row in reader:
                if row:  # a blank line is no row
                    yield self.lines_read, row
                start = self.lines_read + 1
        except csv.Error as error:
            raise WorkError(f"line {start}: {_explain(error)}") from None


class CommaSeparated(Delimited):
    kind = "csv"
    delimiter = ","


class TabSeparated(Delimited):
    kind = "tsv"
    delimiter = "\t"


class JsonLines(Table):
    """One JSON object per line; blank lines are skipped. The columns are the keys of all rows."""

    kind = "jsonl"

    def __init__(self, path: Path, part: Part | None = None) -> None:
        super().__init__(path, part)
        self.columns = []

    def __iter__(self) -> Iterator[Row]:
        known = set(self.columns)
        for line in self._lines():
            if not line.strip():
                continue
            number = self.lines_read
            row = _parse_object(number, line)
            for key in row:
                if key not in known:
                    known.add(key)
                    self.columns.append(key)
            if len(known) > MAX_COLUMNS:
                raise WorkError(f"line {number}: over {MAX_COLUMNS:,} different keys; should be fewer")
            yield Row(number, len(line), [row.get(key, MISSING) for key in self.columns])


class Lines(Table):
    """Plain text: every line is a row with the one column `text`."""

    kind = "lines"

    def __init__(self, path: Path, part: Part | None = None) -> None:
        super().__init__(path, part)
        self.columns = [DEFAULT_COLUMN]

    def __iter__(self) -> Iterator[Row]:
        for line in self._lines():
            yield Row(self.lines_read, len(line), [line.rstrip("\r\n")])


TABLES: dict[str, type[Table]] = {
    table.kind: table for table in (CommaSeparated, TabSeparated, JsonLines, Lines)
}


def open_part(kind: str, path: Path, part: Part, columns: list[str]) -> Table:
    """A part of a file of that kind, whose columns are known since the whole was read."""
    table = TABLES[kind](path, part)
    table.columns = columns
    return table


def open_whole(kind: str, path: Path, columns: list[str]) -> Table:
    """A file of that kind, once more."""
    table = TABLES[kind](path)
    table.columns = columns
    return table


def open_table(path: Path, name: str, column: str | None) -> Table:
    """What the file is, by its name (.csv, .tsv, .jsonl, .ndjson, .txt), else by its content.

    Content that begins with "{" is JSONL; other content is CSV where a column is asked for, else
    plain lines. Raises WorkError for an empty, compressed or binary file.
    """
    with path.open("rb") as file:
        head = file.read(4_096)
    for magic, message in BINARIES.items():
        if head.startswith(magic):
            raise WorkError(message)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise WorkError("the file is empty")
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".csv":
        return CommaSeparated(path)
    if suffix == ".tsv":
        return TabSeparated(path)
    if suffix in (".jsonl", ".ndjson") or (suffix != ".txt" and start.startswith(b"{")):
        return JsonLines(path)
    if suffix == ".json":
        raise WorkError("line 1: should be JSON lines, one object per line, and not one array")
    if suffix == ".txt" or column is None:
        return Lines(path)
    return CommaSeparated(path)


def _check_columns(columns: list[str]) -> None:
    if len(columns) > MAX_COLUMNS:
        raise WorkError(f"line 1: has {len(columns):,} columns; should have at most {MAX_COLUMNS:,}")
    seen = set()
    for column in columns:
        if column in seen:
            raise WorkError(f"line 1: two columns are called {column[:100]!r}; each should have its own name")
        seen.add(column)


def _parse_object(number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise WorkError(f"line {number}, column {error.colno}: broken JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise WorkError(f"line {number}: broken JSON: {reason}") from None
    if not isinstance(row, dict):
        raise WorkError(f'line {number}: should be a JSON object, as {{"text": "…"}}')
    if "\\u" in line:  # half of a surrogate pair can be written in JSON, but it is no character
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise WorkError(f"line {number}: broken JSON: half of a surrogate pair") from None
    return row


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:50]} is too large")
    return value


def _explain(error: csv.Error) -> str:
    reason = str(error)
    if "new-line" in reason:
        return "a carriage return outside quotes; lines should end with LF or CRLF"
    if "unexpected end of data" in reason:
        return "a quote opens here and is never closed"
    if "field limit" in reason:
        return f"a field is longer than {MAX_LINE:,} characters; is a quote not closed?"
    return f"{reason}; a quote inside a quoted field should be doubled"
