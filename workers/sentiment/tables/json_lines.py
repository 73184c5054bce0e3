"""Files whose every line is a JSON object."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import IO, Any

import pyarrow as pa

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.reading import ColumnNumber
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.lines import LineFinder, whole_lines
from jobyard.workers.sentiment.tables.objects import (
    JSON_BYTES,
    Objects,
    Row,
    read_objects,
    value_at,
    values_at,
)
from jobyard.workers.sentiment.tables.table import (
    DEFAULT_COLUMN,
    MAX_COLUMNS,
    Rows,
    TextTable,
    batch_rows,
    choose,
)
from jobyard.workers.sentiment.tables.window import Part

# Of keys within objects, in a message.
SHOWN = 20


class JsonLines(TextTable):
    """One JSON object per line; blank lines are skipped. The columns are the keys of all rows, as they come.

    In its rows a value that is no string is JSON in a string; null and missing are null. With `wanted`,
    they have these columns alone, and bodies. A column may be within others: `user.name`.
    """

    kind = "jsonl"

    def __init__(self, columns: list[str], wanted: list[str] | None = None) -> None:
        self.columns = columns
        self.counts: Counter[str] = Counter()
        self._wanted = wanted

    def begin(self, stream: IO[bytes], whole: Part, broken: Broken, progress: Progress) -> Part:
        # An array may be empty: that is a table without rows.
        if not self._look(stream, whole, None, broken, progress) and whole.start < whole.end:
            raise WorkError("the file has no rows")
        return whole

    def choose(
        self, stream: IO[bytes], whole: Part, column: str | int | ColumnNumber | None, progress: Progress
    ) -> str:
        if not self.columns and whole.start == whole.end:
            self.columns = [column if isinstance(column, str) else DEFAULT_COLUMN]
        if isinstance(column, str) and column not in self.columns:
            if self._look(stream, whole, column, Broken(skip=True), progress):
                return column
            inner, arrays = self._inner(stream, whole, progress)
            if within := [name for name in arrays if column.startswith(f"{name}.")]:
                raise WorkError(
                    f"{within[0]!r} is an array in each row; its elements should be rows of their own, "
                    f"as `jq -c '.{within[0]}[]'` makes them"
                )
            return choose([*self.columns, *inner], column)
        return choose(self.columns, column)

    def within(self, stream: IO[bytes], whole: Part, progress: Progress) -> Sequence[str]:
        return self._inner(stream, whole, progress)[0]

    def finder(self) -> LineFinder:
        return LineFinder()

    def learn(self, stream: IO[bytes], part: Part, texts: str, progress: Progress) -> None:
        """Learn the keys of all rows of a part."""
        for _, objects in self._objects(stream, part, texts, Broken(skip=True), Counter(), progress):
            self._note(objects)

    def rows(
        self, stream: IO[bytes], part: Part, texts: str, broken: Broken, progress: Progress
    ) -> Iterator[Rows]:
        for lines, objects in self._objects(stream, part, texts, broken, self.counts, progress):
            names = self._wanted or list(dict.fromkeys([*self._note(objects), *self.inner]))
            step = batch_rows(len(names))
            for first in range(0, len(objects), step):
                some = objects[first : first + step]
                columns = {name: _texts(some, name) for name in names}
                bodies = _bodies(lines[first : first + step], some) if self._wanted else None
                yield Rows(len(some), columns, bodies)
            if self._wanted:
                self._note(objects)

    def _look(
        self, stream: IO[bytes], whole: Part, name: str | None, broken: Broken, progress: Progress
    ) -> bool:
        """Learn the keys of the first rows, or of all up to one with `name`. False if there is none."""
        for _, objects in self._objects(stream, whole, None, broken, Counter(), progress):
            self._note(objects)
            if objects and (name is None or name in self.columns or _has(objects, name)):
                return True
        return False

    def _inner(self, stream: IO[bytes], whole: Part, progress: Progress) -> tuple[list[str], list[str]]:
        """Names of what is within the first row's objects; and of its arrays, on both levels."""
        for _, objects in self._objects(stream, whole, None, Broken(skip=True), Counter(), progress):
            if objects:
                first = objects[0]
                inner = {
                    f"{key}.{name}": value
                    for key, inside in first.items()
                    if isinstance(inside, dict)
                    for name, value in inside.items()
                }
                return [*inner], [key for key, value in (first | inner).items() if isinstance(value, list)]
        return [], []

    def _note(self, objects: list[Row]) -> list[str]:
        """The keys of these rows."""
        names = list(dict.fromkeys(chain.from_iterable(objects)))
        self.columns[:] = dict.fromkeys([*self.columns, *names])
        if len(self.columns) > MAX_COLUMNS:
            raise WorkError(f"the file has over {MAX_COLUMNS:,} different keys; should have fewer")
        return names

    def _objects(
        self,
        stream: IO[bytes],
        part: Part,
        texts: str | None,
        broken: Broken,
        counts: Counter[str],
        progress: Progress,
    ) -> Iterator[Objects]:
        for window, stop in whole_lines(stream, part, broken, progress):
            begin, data = 0, window.data
            while begin < stop:
                progress.check()
                end = data.rfind(b"\n", begin, min(begin + JSON_BYTES, stop)) + 1
                end = end or data.find(b"\n", begin, stop) + 1 or stop
                lines = data[begin:end].split(b"\n")
                yield read_objects(window.line_of(begin), lines, texts, broken, counts, progress)
                begin = end


def _has(objects: list[Row], name: str) -> bool:
    return "." in name and any(value_at(row, name) is not None for row in objects)


def _texts(objects: list[Row], name: str) -> Any:
    values = values_at(objects, name)
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(map(_as_text, values), pa.string())


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _bodies(lines: list[bytes], objects: list[Row]) -> Any:
    """Each object as it is written, but for its closing brace: more keys can follow."""
    pairs = zip(lines, objects, strict=True)
    found = [line.strip()[:-1] + b", " if row else b"{" for line, row in pairs]
    if any(b"\r" in body for body in found):  # of objects over several lines
        found = [body.replace(b"\r", b" ") for body in found]
    return pa.array(found, pa.binary())
