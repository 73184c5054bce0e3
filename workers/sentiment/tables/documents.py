"""JSON that is no JSON lines: an array, an object with an array in it, objects over several lines.

Each row becomes a line of its own, as it was written but for line breaks: its numbers are not touched, and
what is broken in it is found where lines are read. Where rows begin on lines of their own, these keep their
numbers.
"""

import json
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import ColumnNumber, SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.contents import HEAD_BYTES, suffix_of
from jobyard.workers.sentiment.tables.elements import Element, Elements, Place
from jobyard.workers.sentiment.tables.encodings import BOM
from jobyard.workers.sentiment.tables.steps import Opened, Step, Target
from jobyard.workers.sentiment.tables.table import DEFAULT_COLUMN
from jobyard.workers.sentiment.tables.window import BLOCK_BYTES, MAX_LINE

# Of a value that is not a row, this much is looked at: its kind, and that of the first thing in it.
SKIMMED = 1_000
# An array of rows is looked for in objects within objects: on so many levels, among so many members of each
# object, and in so many objects of a level, for each is read from the file anew.
MAX_LEVELS = 5
MAX_MEMBERS = 10_000
MAX_OBJECTS = 100

_ROWS = re.compile(r'\[\s*\{\s*["}]')
# The beginning of a long array of strings. Nothing is tried twice, so that the time grows with the text.
_STRINGS = re.compile(r'\[\s*+(?:"(?:[^"\\]++|\\.)*+"\s*+,\s*+)+(?:"(?:[^"\\]++|\\.)*+(?:"\s*+|\\)?)?')
_TOKENS = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\[\]:,\n]|[^\s"{}\[\]:,]+|"')
_decoder = json.JSONDecoder()


class FromDocument(Step):
    """Makes JSON lines of a document."""

    def applies(self, opened: Opened, spec: SentimentSpec) -> bool:
        if "rows_of" in opened.read_as or spec.delimiter is not None:
            return False
        head = opened.head.removeprefix(BOM)
        start = head.lstrip()[:1]
        if start not in (b"[", b"{"):
            return False
        text = head.decode(errors="replace").lstrip()
        is_cut = len(opened.head) == HEAD_BYTES
        if start == b"[":
            return _is_array(text, opened.name, is_cut=is_cut)
        return _are_objects(text, opened.path, is_cut=is_cut)

    def take(self, opened: Opened, spec: SentimentSpec, target: Target, progress: Progress) -> None:
        with opened.path.open("rb") as stream:
            document = _Document(stream, progress)
            rows = document.rows_for(spec)
            skimmed = document.elements_of(rows, SKIMMED)
            lines = _Lines(document.elements_of(rows, MAX_LINE + 1), skimmed, rows)
            target.write(iter(lines))
            document.check_end(rows, lines, opened, is_strict=spec.errors == "fail")
        opened.read_as |= {"format": "json", "rows_of": rows.name or rows.layout}
        opened.numbered = lines.numbered
        opened.prefix = f"{rows.name}." if rows.name else ""
        opened.warnings += rows.left_out


def _is_array(text: str, name: str, *, is_cut: bool) -> bool:
    if _ROWS.match(text) or suffix_of(name) == ".json":
        return True
    try:
        value, end = _decoder.raw_decode(text)
    except (ValueError, RecursionError):
        return is_cut and _STRINGS.fullmatch(text) is not None
    return isinstance(value, list) and not text[end:].strip()


def _are_objects(text: str, path: Path, *, is_cut: bool) -> bool:
    """Whether that is a document, or several, and not an object on each line."""
    if not re.match(r'\{\s*["}]', text):
        return False
    try:
        value, end = _decoder.raw_decode(text)
    except (ValueError, RecursionError):
        if is_cut and "\n" not in text:
            return not _has_objects_on_lines(path)
        return "\n" in text.strip() and _is_nested(text)
    rest = text[end:].lstrip()
    if "\n" in text[:end]:
        return True
    if rest or is_cut:
        return rest[:1] == "," or (rest[:1] == "{" and "\n" not in text[end : len(text) - len(rest)])
    return _holds_rows(value)


def _has_objects_on_lines(path: Path) -> bool:
    """Whether a line that is longer than the head is followed by another object."""
    with path.open("rb") as stream:
        while block := stream.readline(BLOCK_BYTES):
            if block.endswith(b"\n"):
                return stream.read(HEAD_BYTES).lstrip().startswith(b"{")
    return False


def _is_nested(text: str) -> bool:
    """Whether objects have lines in them, begin where they can, and have no strings over several."""
    before, depth, has_lines = "", 0, False
    for match in _TOKENS.finditer(text):
        found = match[0]
        if found == "\n":
            has_lines = has_lines or depth > 0
            continue
        if found == '"':
            return "\n" not in text[match.start() :] and has_lines
        if found == "{" and depth and before not in (":", ",", "["):
            return False
        depth += (found in "{[") - (found in "]}")
        before = found
    return has_lines


def _holds_rows(value: Any) -> bool:
    """Whether there is a list of objects within objects."""
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict)
    return isinstance(value, dict) and any(map(_holds_rows, value.values()))


class _Rows(NamedTuple):
    """Where a document's rows are: `name` is that of the array they are in, if that is in an object."""

    layout: str
    place: Place
    is_inside: bool
    name: str = ""
    left_out: tuple[str, ...] = ()


class _Member(NamedTuple):
    name: str
    value: Element

    @property
    def holds_rows(self) -> bool:
        return _ROWS.match(self.value.data.decode(errors="replace")) is not None

    @property
    def is_plain(self) -> bool:
        return self.value.kind not in "[{"

    @property
    def inside(self) -> Place:
        return Place(self.value.at + 1, self.value.line)


class _Document:
    def __init__(self, stream: IO[bytes], progress: Progress) -> None:
        self._stream = stream
        self._progress = progress
        self._begin = len(BOM) if stream.read(len(BOM)) == BOM else 0

    def elements_of(self, rows: _Rows, most: int) -> Elements:
        return Elements(self._stream, rows.place, self._progress, most)

    def rows_for(self, spec: SentimentSpec) -> _Rows:
        """Raises WorkError where it can't be known what the rows are."""
        everything = Elements(self._stream, Place(self._begin, 1), self._progress, SKIMMED)
        first, *more = islice(everything, 2)
        if first.kind == "[":
            return self._array(Place(first.at + 1, first.line))
        if not more and (found := self._array_in(first, spec)) is not None:
            return found
        return _Rows("objects", Place(self._begin, 1), is_inside=False)

    def _array(self, place: Place) -> _Rows:
        for element in Elements(self._stream, place, self._progress, SKIMMED):
            if element.kind == "[":
                raise WorkError(
                    f"line {element.line}: the array holds arrays; should hold objects or strings"
                )
            if element.kind not in '{"n':
                raise WorkError(
                    f"line {element.line}: the array holds numbers; should hold objects or strings"
                )
            if element.kind != "n":
                break
        return _Rows("array", place, is_inside=True)

    def _array_in(self, whole: Element, spec: SentimentSpec) -> _Rows | None:
        """The one array of objects in an object, or the one that `column` begins with; None: it is a row."""
        members = self._members(Place(whole.at + 1, whole.line))
        if self._has_text(members, spec.column):
            return None
        level = [("", members)]
        for _ in range(MAX_LEVELS):
            found = {
                f"{prefix}{member.name}": member
                for prefix, some in level
                for member in some
                if member.holds_rows
            }
            if found:
                return _chosen(found, spec.column, [f"{p}{m.name}" for p, some in level for m in some])
            objects = (
                (f"{prefix}{member.name}.", member.inside)
                for prefix, some in level
                for member in some
                if member.value.kind == "{"
            )
            level = [(prefix, self._members(place)) for prefix, place in islice(objects, MAX_OBJECTS)]
        return None

    def _has_text(self, members: list[_Member], column: str | int | ColumnNumber | None) -> bool:
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
        found = islice(Elements(self._stream, place, self._progress, SKIMMED), 2 * MAX_MEMBERS)
        return [_Member(_name_of(key), value) for key, value in zip(found, found, strict=False)]

    def check_end(self, rows: _Rows, lines: "_Lines", opened: Opened, *, is_strict: bool) -> None:
        """Raises WorkError, or warns, where the array does not end as it should."""
        elements = lines.elements
        if rows.is_inside and not elements.is_closed:
            what = f"line {elements.end.line}: the array is not closed; the file may have been truncated"
            if is_strict:
                raise WorkError(what)
            opened.warnings.append(what)
        elif elements.is_closed and not rows.name:
            after = Place(elements.end.at + 1, elements.end.line) if rows.is_inside else elements.end
            for element in Elements(self._stream, after, self._progress, SKIMMED):
                raise WorkError(f"line {element.line}: more comes after the end of the array; should be one")
            if not rows.is_inside:
                raise WorkError(f"line {after.line}: a bracket is closed here that was never opened")


def _chosen(found: dict[str, _Member], column: str | int | ColumnNumber | None, names: list[str]) -> _Rows:
    asked = [name for name in found if isinstance(column, str) and column.startswith(f"{name}.")]
    if len(asked or found) > 1:
        shown = ", ".join(map(repr, islice(found, 10)))
        raise WorkError(
            f"the file is one object with several arrays of objects: {shown}; "
            f"`column` should say which, as in {next(iter(found))}.{column or DEFAULT_COLUMN}"
        )
    (name,) = asked or found
    others = [other for other in names if other != name and not name.startswith(f"{other}.")]
    shown = ", ".join(map(repr, others[:10])) + (" and more" if len(others) > 10 else "")
    left_out = (f"the rows are the objects in {name!r}; what is beside it is left out: {shown}",)
    return _Rows("array", found[name].inside, is_inside=True, name=name, left_out=left_out if others else ())


def _name_of(key: Element) -> str:
    try:
        name = json.loads(key.data)
    except ValueError:
        name = None
    return name if isinstance(name, str) else key.data.decode(errors="replace")


class _Lines:
    """Rows as lines. `numbered` says by what: "line", or "row" where the first two are on one line."""

    def __init__(self, elements: Elements, skimmed: Elements, rows: _Rows) -> None:
        self.elements = elements
        some = iter(skimmed)
        first = list(islice(some, 2))
        self.numbered = "row" if len({element.line for element in first}) < len(first) else "line"
        kinds = (element.kind for element in chain(first, some) if element.kind != "n")
        # Of an array of strings each is the text of a row.
        self._wraps = rows.is_inside and next(kinds, "n") in '"n'
        self._line = 1

    def __iter__(self) -> Iterator[bytes]:
        some: list[bytes] = []
        size = 0
        for element in self.elements:
            line = self._line_of(element)
            some.append(line)
            size += len(line)
            if size > BLOCK_BYTES:
                yield b"".join(some)
                some, size = [], 0
        yield b"".join(some)

    def _line_of(self, element: Element) -> bytes:
        data = element.data
        if self._wraps:
            data = b'{"%s": %s}' % (DEFAULT_COLUMN.encode(), data)
        # White space between values, also for readers of lines; within strings there are no line breaks.
        line = data.replace(b"\r\n", b"\r").replace(b"\n", b"\r") + b"\n"
        if self.numbered == "line" and element.line > self._line:
            line = b"\n" * (element.line - self._line) + line
            self._line = element.line
        self._line += 1
        return line
