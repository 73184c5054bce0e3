"""JSON that is no JSON lines: an array, an object with an array in it, objects over several lines.

Each row becomes a line of its own, as it was written but for line breaks: its numbers are not touched, and
what is broken in it is found where lines are read. Where rows begin on lines of their own, these keep their
numbers.
"""

from collections.abc import Iterator
from itertools import chain, islice

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.document_rows import SKIMMED, Document, DocumentRows
from jobyard.workers.sentiment.tables.elements import Element, Elements, Place
from jobyard.workers.sentiment.tables.encodings import text_begin
from jobyard.workers.sentiment.tables.layouts import begin_of, is_document
from jobyard.workers.sentiment.tables.steps import Opened, Step, Target
from jobyard.workers.sentiment.tables.table import DEFAULT_COLUMN
from jobyard.workers.sentiment.tables.window import BLOCK_BYTES, MAX_LINE


class FromDocument(Step):
    """Makes JSON lines of a document."""

    def applies(self, opened: Opened, spec: SentimentSpec) -> bool:
        if "rows_of" in opened.read_as or spec.delimiter is not None:
            return False
        return is_document(opened.head, opened.name, opened.path)

    def take(self, opened: Opened, spec: SentimentSpec, target: Target, progress: Progress) -> None:
        begin = begin_of(opened.head, opened.name)
        with opened.path.open("rb") as stream:
            document = Document(stream, begin, progress)
            rows = document.rows_for(spec)
            skimmed = document.elements_at(rows.place, SKIMMED)
            lines = _Lines(document.elements_at(rows.place, MAX_LINE + 1), skimmed, rows)
            target.write(iter(lines))
            if not target.is_cut:
                is_program = begin > text_begin(opened.head)
                end = _End(document, rows, lines.elements, is_program=is_program)
                end.check(opened, is_strict=spec.errors == "fail")
        opened.read_as |= {"format": "json", "rows_of": rows.name or rows.layout}
        opened.numbered = lines.numbered
        opened.prefix = f"{rows.name}." if rows.name else ""
        opened.warnings += rows.left_out


class _End:
    """How a document ends, once its rows are read. `is_program`: a semicolon may come last."""

    def __init__(
        self, document: Document, rows: DocumentRows, elements: Elements, *, is_program: bool
    ) -> None:
        self._document = document
        self._rows = rows
        self._elements = elements
        self._is_program = is_program

    def check(self, opened: Opened, *, is_strict: bool) -> None:
        """Raises WorkError, or warns, where the rows are not separated, or do not end, as they should."""
        rows, elements = self._rows, self._elements
        if rows.is_inside:
            self._check_commas(opened)
        if cut := self._cut():
            if is_strict:
                raise WorkError(cut)
            opened.warnings.append(cut)
        elif elements.is_closed and not rows.name:
            after = Place(elements.end.at + 1, elements.end.line) if rows.is_inside else elements.end
            for element in self._document.elements_at(after, SKIMMED):
                if not self._is_program or element.data != b";":
                    raise WorkError(
                        f"line {element.line}: more comes after the end of the array; should be one"
                    )
            if not rows.is_inside:
                raise WorkError(f"line {after.line}: a bracket is closed here that was never opened")

    def _cut(self) -> str:
        """That the file ends too early; nothing if it doesn't."""
        line = self._elements.end.line
        if self._rows.is_inside and not self._elements.is_closed:
            return f"line {line}: the array is not closed; the file may have been truncated"
        if self._rows.is_cut:
            return "the object that the rows are in is not closed; the file may have been truncated"
        return ""

    def _check_commas(self, opened: Opened) -> None:
        elements = self._elements
        where = f"the first on line {elements.wrong_line}"
        if elements.is_closed and elements.closed_by != b"]":
            raise WorkError(
                f"line {elements.end.line}: the array is closed by a brace; should be by a bracket"
            )
        if elements.colons:
            raise WorkError(f"line {elements.wrong_line}: a colon is in the array; should be a comma")
        if elements.missing:
            opened.warnings.append(
                f"commas are missing between the array's elements ({elements.missing:,} in all, {where})"
            )
        if elements.alone:
            opened.warnings.append(
                f"commas of the array have no element before them ({elements.alone:,} in all, {where})"
            )


class _Lines:
    """Rows as lines. `numbered` says by what: "line", or "row" where the first two are on one line."""

    def __init__(self, elements: Elements, skimmed: Elements, rows: DocumentRows) -> None:
        self.elements = elements
        some = iter(skimmed)
        first = list(islice(some, 2))
        self.numbered = "row" if len({element.line for element in first}) < len(first) else "line"
        kinds = (element.kind for element in chain(first, some) if element.kind != "n")
        # Of an array of strings each is the text of a row.
        self._wraps = rows.layout != "objects" and next(kinds, "n") in '"n'
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
