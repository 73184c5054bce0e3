"""The first bytes of a file, read in one dialect, and how well that works."""

import io
import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.sentiment.tables import headers, margins
from jobyard.workers.sentiment.tables.delimited import Finder
from jobyard.workers.sentiment.tables.dialects import Dialect
from jobyard.workers.sentiment.tables.table import MAX_COLUMNS
from jobyard.workers.sentiment.tables.window import Part, Window

# Lines before the header are looked for among so many rows; so many are compared to tell names from data.
MAX_PREAMBLE = 50
COMPARED = 200
# Of a head that is not the whole file, so large a share after a quote that is not closed in it.
MAX_OPEN = 0.5
# How much is looked at where that is so: the field may be a long one.
LONG_BYTES = 2 << 20
# How lines begin that programs and people add to a table.
COMMENTS = (b"#", b"%", b"//", b"--")
# What Markdown and databases draw between a header and its rows.
RULE = re.compile(r"\s*:?-{2,}:?\s*")


class Head:
    """The first bytes of a file; `is_whole` if it has no more."""

    def __init__(self, data: bytes, begin: int, *, is_whole: bool) -> None:
        self.data = data
        self.begin = begin
        stop = len(data) if is_whole else data.rfind(b"\n") + 1 or len(data)
        self.stop = stop - (not is_whole and stop == len(data))
        self.is_whole = is_whole
        # Whether it has a quote, in one reading of it, that may be closed after it.
        self.has_open_quote = False
        self._window = Window(io.BytesIO(data), Part(0, len(data), 0), NoProgress())
        while not self._window.is_last:
            self._window.move(0)

    def line(self, at: int) -> str:
        """The line that begins there, for a message."""
        return self.data[at:].split(b"\n", 1)[0].decode(errors="replace").strip()[:100]

    def lines_before(self, at: int) -> int:
        return self.data.count(b"\n", 0, at)

    def after_lines(self, count: int) -> int:
        """Where the line after so many begins."""
        at = 0
        for _ in range(count):
            at = self.data.find(b"\n", at) + 1 or len(self.data)
        return at

    def look(self, finder: Finder, begin: int) -> tuple[int, int]:
        return finder.look(self._window, begin, self.stop, finder.room, skip=True, noted=True)

    def cells(self, finder: Finder) -> list[list[str]]:
        """The rows that were found."""
        counts = finder.counts
        columns = [
            [(cell or b"").decode(errors="replace") for cell in column.cast("binary").to_pylist()]
            for column in finder.take(self._window)
        ]
        return [list(row[:count]) for row, count in zip(zip(*columns, strict=True), counts, strict=False)]


class Reading:
    """The head, read in one dialect from `begin` on, and how well that works."""

    def __init__(self, head: Head, dialect: Dialect, begin: int) -> None:
        self.head = head
        self.dialect = dialect
        room = head.data.count(b"\n", begin) + 1
        finder = Finder(dialect, 0, room)
        end, self.broken = head.look(finder, begin)
        self.begin = begin
        self.begins = finder.begins
        self.counts = finder.counts
        self.quoted, self.merged = map(int, finder.noted[:2])
        if not head.is_whole and head.stop - end > MAX_OPEN * head.stop:
            head.has_open_quote = True
            self.broken += head.data.count(b"\n", end, head.stop)
        self.margins = margins.NONE
        self._start(0)
        if not self.margins.before and not self.margins.after:
            self.first, self.width = self._shape()
            self._pass_titles()

    def _start(self, place: int, texts: str | None = None) -> None:
        """Take a row as the header, and have columns that it does not name if rows have no others."""
        self.first, self.width = place, (self.counts[place] if self.counts else 1)
        self.margins = margins.NONE
        counts = Counter(self.counts[place + 1 :])
        if not counts or self.width in counts:
            return
        usual, times = counts.most_common(1)[0]
        rows = [row for row in self.rows[place + 1 :] if len(row) == usual]
        if 2 * times > counts.total() and rows:
            is_quoted = all(self.head.data.startswith(b'"', at) for at in self.begins[place:])
            names = [name.strip() for name in self.rows[place]]
            found = margins.find(names, rows, texts, is_quoted=is_quoted)
            if found is not None:
                self.margins, self.width = found, usual

    def start_plain(self, texts: str | None = None, *, has_header: bool) -> None:
        """Have the table begin with the first row."""
        self._start(0, texts)
        if not has_header:
            self.leave_margins()

    def leave_margins(self) -> None:
        """Hold rows to the number of fields of the first."""
        if self.margins != margins.NONE:
            self.margins, self.width = margins.NONE, self.counts[self.first]

    def _pass_titles(self) -> None:
        """Leave out lines that look like a header for their delimiters alone: if what follows is one."""
        for place in range(self.first, min(self.first + MAX_PREAMBLE, len(self.rows) - 1)):
            if not self._is_title(place) and any(self.rows[place]):
                if place > self.first and len(self.rows[place]) == self.width:
                    verdict = headers.judge(
                        self.rows[place], [row for row in self.rows[place + 1 :] if len(row) == self.width]
                    )
                    has_values = any(map(headers.is_value, self.rows[place]))
                    if verdict.is_header and verdict.is_sure and not has_values:
                        self.first = place
                return

    def _shape(self) -> tuple[int, int]:
        """Which row is the first of the table, and how many fields it has."""
        if not self.counts:
            return 0, 1
        usual = Counter(self.counts).most_common(1)[0][0]
        if self.counts[0] != usual:
            agreeing = self.counts.count(self.counts[0])
            first = self.counts.index(usual)
            if self.counts[0] == 1 and usual > 1 and first <= MAX_PREAMBLE:
                return first, usual
            if self.counts[0] > 1 and 2 * agreeing >= len(self.counts):
                return 0, self.counts[0]
            if usual > self.counts[0] and first <= MAX_PREAMBLE and usual > 2:
                return first, usual
            return 0, self.counts[0]
        return 0, usual

    @property
    def good(self) -> int:
        return self.counts[self.first :].count(self.width) + (self.margins != margins.NONE)

    @property
    def bad(self) -> int:
        """Rows that are broken, or perhaps several in one."""
        return self.broken + len(self.counts[self.first :]) - self.good + self.merged

    @cached_property
    def rows(self) -> list[list[str]]:
        """The cells of the first rows, before the table and in it."""
        room = min(len(self.counts), self.first + COMPARED)
        if not room:
            return []
        finder = Finder(self.dialect, 0, room, min(max(self.counts[:room]), MAX_COLUMNS))
        self.head.look(finder, self.begin)
        return self.head.cells(finder)

    @property
    def names(self) -> list[str]:
        """What would be names, if there is a header."""
        return self.margins.around([name.strip() for name in self.rows[self.first]]) if self.rows else []

    @property
    def table(self) -> list[list[str]]:
        """The rows after the first that have as many fields."""
        rows = self.rows[self.first + 1 + self.is_ruled :]
        return [row for row in rows if len(row) == self.width]

    @property
    def is_ruled(self) -> bool:
        """Whether the row after the first has dashes, and nothing else."""
        below = self.rows[self.first + 1] if self.width > 1 and self.first + 1 < len(self.rows) else []
        return any(below) and all(RULE.fullmatch(cell) for cell in below if cell)

    def start_at(self, names: Sequence[str], texts: str | None) -> bool:
        """Take the first row that has one of the names as the header. False if there is none."""
        for name in names:
            for place, row in enumerate(self.rows[: MAX_PREAMBLE + 1]):
                is_first = len(row) not in self.counts[:place] or all(map(self._is_title, range(place)))
                if is_first and name in [cell.strip() for cell in row]:
                    self._start(place, texts)
                    return True
        return False

    @property
    def has_preamble(self) -> bool:
        """Whether there are lines before the table that are no comments."""
        return not all(map(self._is_comment, range(self.first)))

    def _is_title(self, place: int) -> bool:
        """Whether a row may be above a header: a comment, or one cell of a spreadsheet's row."""
        row = self.rows[place]
        return self._is_comment(place) or (len(row) > 2 and sum(map(bool, row)) < 2)

    def _is_comment(self, place: int) -> bool:
        return self.head.data.startswith(COMMENTS, self.begins[place])

    def has_values(self) -> bool:
        """Whether a column has numbers only, some of them at least."""
        columns = [[cell.strip() for cell in column if cell] for column in zip(*self.table, strict=True)]
        return any(cells and all(map(headers.is_value, cells)) for cells in columns)

    def keeps_types(self) -> bool:
        """Whether columns of mostly numbers have nothing else."""
        for place in range(self.width):
            cells = [cell.strip() for row in self.table if (cell := row[place])]
            numbers = sum(map(headers.is_value, cells))
            if numbers != len(cells) and 2 * numbers > len(cells):
                return False
        return True
