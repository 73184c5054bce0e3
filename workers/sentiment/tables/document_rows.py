"""Where a JSON document's rows are."""

import json
import re
from collections.abc import Sequence
from itertools import islice
from typing import IO, Any, Final, NamedTuple

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.reading import ColumnNumber
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.elements import Element, Elements, Place
from jobyard.workers.sentiment.tables.layouts import ROWS
from jobyard.workers.sentiment.tables.objects import value_at
from jobyard.workers.sentiment.tables.table import DEFAULT_COLUMN
from jobyard.workers.sentiment.tables.window import MAX_LINE

# Of a value that is not a row, this much is looked at: its kind, and that of the first thing in it.
SKIMMED = 1_000
# An array of rows is looked for in objects within objects: on so many levels, among so many members of each
# object, and in so many objects and arrays of a level, for each is read from the file anew.
MAX_LEVELS = 5
MAX_MEMBERS = 10_000
MAX_OBJECTS = 100
SHOWN = 10

# Pandas' to_json() without `orient`, and with "split".
COLUMNS: Final = (
    "the file is one object of columns, as pandas' to_json() writes it; should be rows, "
    'as to_json(orient="records", lines=True) does'
)
KEYED: Final = (
    "the file is one object of rows by their keys, as Firebase and pandas write it; "
    "should be an array of them, as `jq '[.[]]'` makes it"
)

Column = str | int | ColumnNumber | None


class DocumentRows(NamedTuple):
    """Where a document's rows are: `name` is that of the array they are in, if that is in an object.

    `is_cut`: the file ends inside of that object.
    """

    layout: str
    place: Place
    is_inside: bool
    name: str = ""
    left_out: tuple[str, ...] = ()
    is_cut: bool = False


class _Member(NamedTuple):
    name: str
    value: Element

    @property
    def holds_rows(self) -> bool:
        return ROWS.match(self.value.data.decode(errors="replace")) is not None

    @property
    def is_plain(self) -> bool:
        return self.value.kind not in "[{"

    @property
    def has_words(self) -> bool:
        return self.value.kind == '"' and b" " in self.value.data

    @property
    def is_empty(self) -> bool:
        return re.match(rb"\[\s*\]", self.value.data) is not None

    @property
    def inside(self) -> Place:
        return Place(self.value.at + 1, self.value.line)


class Document:
    """A stream of JSON, from the byte `begin` on."""

    def __init__(self, stream: IO[bytes], begin: int, progress: Progress) -> None:
        self._stream = stream
        self._progress = progress
        self._begin = begin

    def elements_at(self, place: Place, most: int) -> Elements:
        return Elements(self._stream, place, self._progress, most)

    def rows_for(self, spec: SentimentSpec) -> DocumentRows:
        """Raises WorkError where it can't be known what the rows are."""
        self._stream.seek(0)
        begin = Place(self._begin, self._stream.read(self._begin).count(b"\n") + 1)
        everything = self.elements_at(begin, SKIMMED)
        first, *more = islice(everything, 2)
        if first.kind == "[":
            return self._array(Place(first.at + 1, first.line))
        if first.kind == '"':
            return DocumentRows("strings", begin, is_inside=False)
        if not more and (found := self._array_in(first, spec.column)) is not None:
            return found._replace(is_cut=everything.is_cut)
        return DocumentRows("objects", begin, is_inside=False)

    def _array(self, place: Place) -> DocumentRows:
        for element in self.elements_at(place, SKIMMED):
            if element.kind in '{"':
                break
            if element.kind == "[":
                raise WorkError(
                    f"line {element.line}: the array holds arrays; should hold objects or strings"
                )
            if element.kind in "-0123456789":
                raise WorkError(
                    f"line {element.line}: the array holds numbers; should hold objects or strings"
                )
            if element.data != b"null":
                shown = element.data[:50].decode(errors="replace")
                why = "JSON has no comments" if element.kind in "/#" else "should be an object or a string"
                raise WorkError(f"line {element.line}: broken JSON at {shown!r}: {why}")
        return DocumentRows("array", place, is_inside=True)

    def _array_in(self, whole: Element, column: Column) -> DocumentRows | None:
        """The array of objects in an object that is meant; None: the object is a row.

        That is the one that `column` begins with, or whose first row has it, or else the one nearest to the
        top. Raises WorkError where it may be several.
        """
        top = self._members(Place(whole.at + 1, whole.line))
        if self._has_text(top, column):
            return None
        nearest: dict[str, _Member] = {}
        empty: dict[str, _Member] = {}
        names: list[str] = []
        level = {member.name: member for member in top}
        for _ in range(MAX_LEVELS):
            names += level
            found = {name: member for name, member in level.items() if member.holds_rows}
            asked = [name for name in found if _is_in(column, name)]
            fitting = asked or [
                name for name in islice(found, MAX_OBJECTS) if self._has_rows_with(found[name], column)
            ]
            if len(fitting) == 1:
                return _chosen(fitting[0], found[fitting[0]], names)
            nearest = nearest or found
            empty = empty or {name: member for name, member in level.items() if member.is_empty}
            outer = {name: member for name, member in level.items() if member.value.kind == "{"}
            level = {
                f"{prefix}.{member.name}": member
                for prefix in islice(outer, MAX_OBJECTS)
                for member in self._members(outer[prefix].inside)
            }
        if len(nearest) > 1:
            shown = ", ".join(map(repr, islice(nearest, SHOWN)))
            raise WorkError(
                f"the file is one object with several arrays of objects: {shown}; "
                f"`column` should say which, as in {next(iter(nearest))}.{column or DEFAULT_COLUMN}",
                field="column",
            )
        if nearest:
            return _chosen(*next(iter(nearest.items())), names)
        if isinstance(column, int | ColumnNumber):
            return None
        asked = [name for name in empty if _is_in(column, name)]
        # What has words is rather a row, whose text is called otherwise.
        if len(asked or empty) == 1 and (asked or not any(member.has_words for member in top)):
            name = next(iter(asked or empty))
            why = f"{name!r} is an empty array, so there are no rows"
            return DocumentRows("array", empty[name].inside, True, name, (why,))
        self._refuse_columns(top, column or DEFAULT_COLUMN)
        return None

    def _refuse_columns(self, members: Sequence[_Member], wanted: str) -> None:
        """Raises WorkError for a table whose columns, or keys, are the object's members."""
        names = {member.name for member in members}
        if not members or any(member.is_plain for member in members):
            return
        if wanted in names or {"columns", "data"} <= names <= {"columns", "index", "data"}:
            raise WorkError(COLUMNS)
        if len(members) > 1 and all(member.value.kind == "{" for member in members):
            inner = self._members(members[0].inside)
            if any(member.name == wanted for member in inner):
                raise WorkError(KEYED)

    def _has_rows_with(self, member: _Member, column: Column) -> bool:
        """Whether the first row of an array has the column."""
        if isinstance(column, int | ColumnNumber):
            return False
        first = next(iter(self.elements_at(member.inside, MAX_LINE)))
        try:
            row = json.loads(first.data)
        except (ValueError, RecursionError):
            return False
        wanted = column or DEFAULT_COLUMN
        return isinstance(row, dict) and (wanted in row or value_at(row, wanted) is not None)

    def _has_text(self, members: Sequence[_Member], column: Column) -> bool:
        """Whether the column that is asked for is one of these, or of the objects in them."""
        if isinstance(column, int | ColumnNumber):
            return False
        wanted = column or DEFAULT_COLUMN
        for member in members:
            if member.name == wanted and member.is_plain:
                return True
            if member.value.kind == "{" and wanted.startswith(f"{member.name}."):
                inner = self._members(member.inside)
                if self._has_text(inner, wanted.removeprefix(f"{member.name}.")):
                    return True
        return False

    def _members(self, place: Place) -> list[_Member]:
        found = islice(self.elements_at(place, SKIMMED), 2 * MAX_MEMBERS)
        return [_Member(_name_of(key), value) for key, value in zip(found, found, strict=False)]


def _is_in(column: Column, name: str) -> bool:
    return isinstance(column, str) and column.startswith(f"{name}.")


def _chosen(name: str, member: _Member, names: Sequence[str]) -> DocumentRows:
    outer = {found[:at] for found in [name, *names] for at, letter in enumerate(found) if letter == "."}
    others = [other for other in names if other != name and other not in outer]
    shown = ", ".join(map(repr, others[:SHOWN])) + (" and more" if len(others) > SHOWN else "")
    left_out = (f"the rows are the objects in {name!r}; what is beside it is left out: {shown}",)
    return DocumentRows("array", member.inside, True, name, left_out if others else ())


def _name_of(key: Element) -> str:
    try:
        name: Any = json.loads(key.data)
    except ValueError:
        name = None
    return name if isinstance(name, str) else key.data.decode(errors="replace")
