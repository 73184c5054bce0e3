"""The rows of a table of labels, one at a time, whatever its encoding and delimiter."""

import csv
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, NamedTuple

from jobyard.shared.archives.members import printable
from jobyard.shared.errors import WorkError
from jobyard.workers.datasets.labels.columns import Columns, Unreadable, find_columns

DELIMITERS = (",", ";", "\t", "|")
# Of one line, in characters: a row of JSON may have boxes and captions beside its label.
MAX_LINE = 1 << 20
# Excel's first line, which says the delimiter.
SEPARATOR = re.compile(r"sep=(.)\s*", re.IGNORECASE)


class Row(NamedTuple):
    """What a row says, as it is written; `problem` is why it can't be used. `line` is where it begins."""

    line: int
    file: str
    label: str
    split: str | None
    problem: str | None = None


class Table(NamedTuple):
    """The rows of a table, whose columns are known. `has_header` is no for one that begins with a row."""

    columns: Columns
    has_header: bool
    rows: Iterator[Row]


def read_table(
    text: IO[str], name: str, *, is_of_labels: bool, names_picture: Callable[[str], bool]
) -> Table | Unreadable:
    """Read a table as far as its columns; the rows are read lazily, and `text` should stay open for them.

    By the suffix of `name` (what people are told that it is called) it is CSV or lines of JSON. A first row
    that is no header, and in which `names_picture` knows one of two cells, begins the rows. Reading raises
    WorkError for what is neither UTF-8 nor UTF-16, is broken, or has lines that are too long.
    """
    lines = _Lines(text, name)
    if name.casefold().endswith(".jsonl"):
        return _read_json(lines, name, is_of_labels)
    return _read_csv(lines, name, is_of_labels, names_picture)


class _Lines:
    """Lines with their ends, as `csv` wants them; `number` is that of the last one."""

    def __init__(self, text: IO[str], name: str) -> None:
        self._text = text
        self._name = name
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = self._text.readline(MAX_LINE + 1)
        except UnicodeError:
            raise WorkError(
                f"{self._name}: what comes after line {self.number:,} is not UTF-8; save the table as UTF-8"
            ) from None
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_LINE:
            raise self.error(f"is longer than {MAX_LINE:,} characters")
        if "\0" in line:
            raise self.error("has a NUL character; the table should be text, in UTF-8")
        return line

    def error(self, why: str) -> WorkError:
        return WorkError(f"{self._name}: line {self.number:,} {why}")


# ---- CSV


def _read_csv(
    lines: _Lines, name: str, is_of_labels: bool, names_picture: Callable[[str], bool]
) -> Table | Unreadable:
    first = next((line for line in lines if line.strip()), "")
    delimiters: Sequence[str] = DELIMITERS
    if name.casefold().endswith(".tsv"):
        delimiters = ("\t", *DELIMITERS)
    if said := SEPARATOR.fullmatch(first):
        delimiters = (said[1],)
        first = next((line for line in lines if line.strip()), "")
    readings = [(delimiter, _cells(first, delimiter)) for delimiter in delimiters]
    # The delimiter that makes the first line a header. What is wrong without one is told of most cells.
    problem: tuple[int, Unreadable] = 0, Unreadable(name, f"{name} is empty")
    for delimiter, header in readings:
        found = find_columns(header, name, is_of_labels=is_of_labels)
        if isinstance(found, Columns):
            return Table(found, True, _csv_rows(lines, lines, delimiter, found, name))
        if len(header) > problem[0]:
            problem = len(header), found
    for delimiter, cells in readings:
        known = [at for at, cell in enumerate(cells) if names_picture(cell)]
        if len(cells) == 2 and len(known) == 1:
            columns = Columns(known[0], 1 - known[0], None, 2, [])
            text = itertools.chain([first], lines)
            return Table(columns, False, _csv_rows(text, lines, delimiter, columns, name))
    return problem[1]


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return [line]
    cells = [cell.strip() for cell in cells]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _csv_rows(
    text: Iterator[str], lines: _Lines, delimiter: str, columns: Columns, name: str
) -> Iterator[Row]:
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True)
    before = lines.number if text is lines else lines.number - 1
    while True:
        line = before + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise WorkError(f"{name}: line {line:,} can't be read: {error}") from None
        if cells is None:
            return
        before = lines.number
        if any(cell.strip() for cell in cells):
            yield _row(line, cells, columns)


def _row(line: int, cells: Sequence[str], columns: Columns) -> Row:
    extra = any(cell.strip() for cell in cells[columns.count :])
    needed = max(columns.file, columns.label, columns.split or 0)
    if extra or len(cells) <= needed:
        problem = f"has {len(cells)} cells; should have {columns.count}"
        file = cells[columns.file].strip() if columns.file < len(cells) else ""
        return Row(line, file, "", None, problem)
    split = None if columns.split is None else cells[columns.split].strip()
    return _checked(line, cells[columns.file].strip(), cells[columns.label].strip(), split)


def _checked(line: int, file: str, label: str, split: str | None) -> Row:
    problem = None
    if not file:
        problem = "names no picture"
    elif not label:
        problem = "has no label"
    elif split == "":
        problem = "has no split"
    return Row(line, file, label, split, problem)


# ---- lines of JSON


def _read_json(lines: _Lines, name: str, is_of_labels: bool) -> Table | Unreadable:
    objects = _objects(lines)
    first = next(objects, None)
    if first is None:
        return Unreadable(name, f"{name} is empty")
    header = list(first[1])
    columns = find_columns(header, name, is_of_labels=is_of_labels)
    if isinstance(columns, Unreadable):
        return columns
    return Table(columns, True, _json_rows(itertools.chain([first], objects), header, columns, name))


def _objects(lines: _Lines) -> Iterator[tuple[int, dict[str, Any]]]:
    for line in lines:
        if not line.strip():
            continue
        try:  # numbers stay as they are written: 007, 1e400
            value = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            raise lines.error("is not JSON") from None
        if not isinstance(value, dict):
            raise lines.error('should be a JSON object, as {"file_name": "1.png", "label": "cat"}')
        yield lines.number, value


def _json_rows(
    objects: Iterator[tuple[int, dict[str, Any]]], header: list[str], columns: Columns, name: str
) -> Iterator[Row]:
    def text(line: int, of: dict[str, Any], column: int) -> str:
        value = of.get(header[column])
        if isinstance(value, bool):
            return str(value).lower()
        if value is None or isinstance(value, str):
            return (value or "").strip()
        found = "a list" if isinstance(value, list) else "an object"
        raise WorkError(
            f"{name}: line {line:,} has {found} as {printable(header[column], 40)}; "
            "should be one text or number"
        )

    for line, row in objects:
        split = None if columns.split is None else text(line, row, columns.split)
        yield _checked(line, text(line, row, columns.file), text(line, row, columns.label), split)
