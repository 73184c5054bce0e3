"""Files whose every line is a row: plain texts, and JSON objects."""

import json
import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import IO, Any

import numpy as np
import pyarrow as pa
from pydantic_core import from_json

from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.delimited import strings
from jobyard.workers.sentiment.tables.table import (
    ALL,
    DEFAULT_COLUMN,
    MAX_COLUMNS,
    Rows,
    TextTable,
    batch_rows,
    choose,
)
from jobyard.workers.sentiment.tables.window import MAX_LINE, TOO_LONG, Part, Window

# Of JSON that becomes Python's objects at once, unless one line is longer; and of the values in such a line.
JSON_BYTES = 1 << 20
MAX_VALUES = 500_000
# Where some line is broken, lines are read one by one: so many between two checks for a cancel.
CHECKED_LINES = 1_000
# pydantic's parser gives up before Python's does, but not at so few brackets.
FEW_BRACKETS = 100


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
        for window, end in _lines(stream, part, broken, progress):
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


def _lines(stream: IO[bytes], part: Part, broken: Broken, progress: Progress) -> Iterator[tuple[Window, int]]:
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


class JsonLines(TextTable):
    """One JSON object per line; blank lines are skipped. The columns are the keys of all rows, as they come.

    In its rows a value that is no string is JSON in a string; null and missing are null. With `wanted`,
    they have these columns alone, and bodies.
    """

    kind = "jsonl"

    def __init__(self, columns: list[str], wanted: list[str] | None = None) -> None:
        self.columns = columns
        self._wanted = wanted

    def begin(self, stream: IO[bytes], whole: Part, broken: Broken, progress: Progress) -> Part:
        if not self._look(stream, whole, None, broken, progress):
            raise WorkError("the file has no rows")
        return whole

    def choose(self, stream: IO[bytes], whole: Part, column: str | int | None, progress: Progress) -> str:
        if isinstance(column, str) and column not in self.columns:
            self._look(stream, whole, column, Broken(skip=True), progress)
        return choose(self.columns, column)

    def finder(self) -> LineFinder:
        return LineFinder()

    def learn(self, stream: IO[bytes], part: Part, texts: str, progress: Progress) -> None:
        """Learn the keys of all rows of a part."""
        for _, objects in self._objects(stream, part, texts, Broken(skip=True), progress):
            self._note(objects)

    def rows(
        self, stream: IO[bytes], part: Part, texts: str, broken: Broken, progress: Progress
    ) -> Iterator[Rows]:
        for lines, objects in self._objects(stream, part, texts, broken, progress):
            names = self._wanted or self._note(objects)
            step = batch_rows(len(names))
            for first in range(0, len(objects), step):
                some = objects[first : first + step]
                columns = {name: _texts(some, name) for name in names}
                bodies = _bodies(lines[first : first + step], some) if self._wanted else None
                yield Rows(len(some), columns, bodies)
            if self._wanted:
                self._note(objects)

    def _look(
        self, stream: IO[bytes], whole: Part, key: str | None, broken: Broken, progress: Progress
    ) -> bool:
        """Learn the keys of the first rows, or of all up to `key`. False if there are no rows."""
        found = False
        for _, objects in self._objects(stream, whole, None, broken, progress):
            self._note(objects)
            found = found or bool(objects)
            if found and (key is None or key in self.columns):
                break
        return found

    def _note(self, objects: list[dict[str, Any]]) -> list[str]:
        """The keys of these rows."""
        names = list(dict.fromkeys(chain.from_iterable(objects)))
        self.columns[:] = dict.fromkeys([*self.columns, *names])
        if len(self.columns) > MAX_COLUMNS:
            raise WorkError(f"the file has over {MAX_COLUMNS:,} different keys; should have fewer")
        return names

    def _objects(
        self, stream: IO[bytes], part: Part, texts: str | None, broken: Broken, progress: Progress
    ) -> Iterator[tuple[list[bytes], list[dict[str, Any]]]]:
        for window, stop in _lines(stream, part, broken, progress):
            begin, data = 0, window.data
            while begin < stop:
                progress.check()
                end = data.rfind(b"\n", begin, min(begin + JSON_BYTES, stop)) + 1
                end = end or data.find(b"\n", begin, stop) + 1 or stop
                lines = data[begin:end].split(b"\n")
                found = None if end - begin > JSON_BYTES else _quickly(lines, texts)
                yield found or _carefully(window.line_of(begin), lines, texts, broken, progress)
                begin = end


def _quickly(lines: list[bytes], texts: str | None) -> tuple[list[bytes], list[dict[str, Any]]] | None:
    """Lines and their objects; None if they need a closer look."""
    found = [line for line in lines if line.strip()]
    try:
        objects = [from_json(line, allow_inf_nan=False, cache_strings="keys") for line in found]
        if not set(map(type, objects)) <= {dict}:
            return None
        values = list(chain.from_iterable(map(dict.values, objects)))
        types = set(map(type, values))
        if types & {list, dict}:  # a number that is too large for a float is infinite, also inside them
            json.dumps([value for value in values if isinstance(value, list | dict)], allow_nan=False)
    except ValueError:
        return None
    if float in types and (math.inf in values or -math.inf in values):
        return None
    if texts is not None and not {type(row.get(texts)) for row in objects} <= {str, type(None)}:
        return None
    return found, objects


def _carefully(
    number: int, lines: list[bytes], texts: str | None, broken: Broken, progress: Progress
) -> tuple[list[bytes], list[dict[str, Any]]]:
    """Line by line; `number` is that of the first."""
    good, objects = [], []
    for line_number, line in enumerate(lines, number):
        if line_number % CHECKED_LINES == 0:
            progress.check()
        try:
            row = _parse(line) if broken.room else _parse_quickly(line)
            text = None if row is None or texts is None else row.get(texts)
            if text is not None and not isinstance(text, str):
                shown = json.dumps(text)[:50] if broken.room else "another type"
                raise ValueError(f"the text is {shown}; should be a string or null")
        except ValueError as error:
            broken.rows(1, [(line_number, str(error))] if broken.room else [])
        else:
            if row is not None:
                good.append(line)
                objects.append(row)
    return good, objects


def _parse_quickly(line: bytes) -> dict[str, Any] | None:
    """`_parse`, but the ValueError need not say what is broken, which is most of the work."""
    if len(line) > JSON_BYTES or not line.isascii() or line.count(b"[") + line.count(b"{") > FEW_BRACKETS:
        return _parse(line)
    try:
        row = from_json(line, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        if line.strip():
            raise
        return None
    if not isinstance(row, dict):
        raise ValueError
    # A number that is too large for a float is infinite, also inside of lists.
    return _parse(line) if {float, list, dict} & set(map(type, row.values())) else row


def _parse(line: bytes) -> dict[str, Any] | None:
    """The object on a line; None for a blank one. Raises ValueError that says what is broken."""
    if len(line) > MAX_LINE:
        raise ValueError(TOO_LONG)
    if line.count(b",") > MAX_VALUES:
        raise ValueError(f"has over {MAX_VALUES:,} values; should have fewer")
    if b"\0" in line:
        raise ValueError("has a zero byte; should be text")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"byte {error.start + 1} is not UTF-8; if the file is in another encoding, set `encoding`"
        ) from None
    return _object(text) if text.strip() else None


def _object(text: str) -> dict[str, Any]:
    try:
        row = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"broken JSON at character {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ValueError(f"broken JSON: {reason}") from None
    if not isinstance(row, dict):
        raise ValueError('should be a JSON object, as {"text": "…"}')
    if "\\u" in text:  # half of a surrogate pair can be written in JSON, but it is no character
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("broken JSON: half of a surrogate pair") from None
    return row


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:50]} is too large")
    return value


_decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _texts(objects: list[dict[str, Any]], name: str) -> Any:
    values = [row.get(name) for row in objects]
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(map(_as_text, values), pa.string())


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _bodies(lines: list[bytes], objects: list[dict[str, Any]]) -> Any:
    """Each object as it is written, but for its closing brace: more keys can follow."""
    pairs = zip(lines, objects, strict=True)
    return pa.array([line.strip()[:-1] + b", " if row else b"{" for line, row in pairs], pa.binary())
