"""What every kind of table is read as."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.reading import ColumnNumber
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.window import Part, Window

MAX_COLUMNS = 2_000
# Of column names in a message.
SHOWN = 20
DEFAULT_COLUMN = "text"

# A batch has at most so many rows, and values: well under 100 ms of scoring, and little memory.
BATCH_ROWS = 50_000
BATCH_CELLS = 1_000_000

STRING = pa.string()

# More rows than there are.
ALL = 1 << 62


@dataclass(frozen=True)
class Rows:
    """Some rows: the columns that these have, each an Arrow array, by name and in order.

    `bodies`, of JSONL alone, are the objects as they stand there, but for their closing brace.
    """

    count: int
    columns: dict[str, Any]
    bodies: Any = None

    def plus(self, added: Mapping[str, str]) -> "Rows":
        """The same rows with more columns, of one value each."""
        columns, bodies = dict(self.columns), self.bodies
        for name, value in added.items():
            columns[name] = pa.repeat(value, self.count)
            if bodies is not None:
                # Between the object's last value and its closing brace, which a body lacks.
                member = f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}, ".encode()
                bodies = pc.binary_join_element_wise(bodies, pa.scalar(member), b"")
        return Rows(self.count, columns, bodies)

    def column(self, name: str, kind: Any = STRING) -> Any:
        """One that these rows lack is null."""
        found = self.columns.get(name)
        return pa.nulls(self.count, kind) if found is None else found


class Table(ABC):
    """A kind of table. `columns` are the names of its columns; of JSONL, those that were seen so far."""

    kind: str
    columns: list[str]
    # What rows have besides, which is within columns: `user.name`.
    inner: Sequence[str] = ()
    # How many rows have something that the result is to mention.
    counts: Mapping[str, int] = MappingProxyType({})

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences about how the file was read, once its parts are known; for the result."""
        return ()

    @property
    def read_as(self) -> dict[str, Any]:
        """What was found out about how the file is written, for the result."""
        return {}

    @abstractmethod
    def begin(self, stream: IO[bytes], whole: Part, broken: Broken, progress: Progress) -> Part:
        """Look at the file's beginning. Returns where its rows are. Raises WorkError."""

    def choose(
        self, stream: IO[bytes], whole: Part, column: str | int | ColumnNumber | None, progress: Progress
    ) -> str:
        """The column of that name or number (from 1); else `text`, else the only one. Raises WorkError."""
        return choose(self.columns, column)

    def within(self, stream: IO[bytes], whole: Part, progress: Progress) -> Sequence[str]:
        """Names of what is within columns: `user.name`."""
        return ()

    @abstractmethod
    def parts(
        self, stream: IO[bytes], whole: Part, size: int, broken: Broken, progress: Progress
    ) -> Iterator[tuple[Part, int]]:
        """Parts of about `size` bytes, between rows, and how many rows are in each, or nearly so."""

    @abstractmethod
    def rows(
        self, stream: IO[bytes], part: Part, texts: str, broken: Broken, progress: Progress
    ) -> Iterator[Rows]:
        """The rows of a part, in batches; `texts` should be a column of texts.

        `progress` is checked at least every second, also where rows are broken and there are no batches.
        """


class Finder(Protocol):
    """Finds the ends of rows; `rows` counts them."""

    rows: int

    def find(
        self, window: Window, begin: int, stop: int, broken: Broken, most: int = ALL
    ) -> tuple[int, bool]:
        """Find the rows from `begin` to `stop`, up to `most` of them.

        Returns where the next row begins, and whether it needs more bytes.
        """


class TextTable(Table):
    """A table whose rows are found by reading the file from its start."""

    @abstractmethod
    def finder(self) -> Finder:
        """One that keeps nothing but the count."""

    def parts(
        self, stream: IO[bytes], whole: Part, size: int, broken: Broken, progress: Progress
    ) -> Iterator[tuple[Part, int]]:
        window, finder = Window(stream, whole, progress), self.finder()
        begin, lines_before = whole.start, whole.lines_before
        used = 0
        while window.move(used):
            used, held = 0, len(window.data)
            while True:
                stop = min(max(begin + size - window.position, used), held)
                used, _ = finder.find(window, used, stop, broken)
                if stop < held and window.position + used == begin:  # a row that is longer than a part
                    used, _ = finder.find(window, used, held, broken, finder.rows + 1)
                is_end = window.is_last and used == held
                if not is_end and (stop == held or window.skips or window.position + used == begin):
                    break
                if window.position + used > begin:
                    part = Part(begin, window.position + used, lines_before)
                    begin, lines_before = part.end, window.line_of(used) - 1
                    yield part, finder.rows
                    finder.rows = 0
                if is_end:
                    break
        if window.position > begin:  # it ended with a line that was skipped
            yield Part(begin, window.position, lines_before), finder.rows


def batch_rows(columns: int) -> int:
    """How many rows of so many columns a batch has at most."""
    return max(1, min(BATCH_ROWS, BATCH_CELLS // max(columns, 1)))


def choose(columns: Sequence[str], column: str | int | ColumnNumber | None) -> str:
    """`Table.choose` among these. Raises WorkError that names them."""
    if isinstance(column, int | ColumnNumber):
        number = column if isinstance(column, int) else column.number
        found = columns[number - 1] if number <= len(columns) else None
        if isinstance(column, int) and (name := str(column)) in columns:
            if found not in (None, name):
                raise WorkError(
                    f"{column} is the number of column {found[:100]!r} and the name of another one; should "
                    f'be "{column}" for the name (--column-name, --group-by-name), {{"number": {column}}} '
                    "for the number (--column-number, --group-by-number)"
                )
            return name
        if found is not None:
            return found
        missing = f"there is no column {number}"
    else:
        if column is not None and column in columns:
            return column
        padded = [name for name in columns if column is not None and name.strip() == column]
        if len(padded) == 1:
            return padded[0]
        if column is None and DEFAULT_COLUMN in columns:
            return DEFAULT_COLUMN
        if column is None and len(columns) == 1:
            return columns[0]
        missing = f"there is no column {column or DEFAULT_COLUMN!r}"
    if not columns:
        raise WorkError(f"{missing}: the file has no columns")
    shown = ", ".join(repr(name[:100]) for name in columns[:SHOWN])
    more = f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else ""
    raise WorkError(f"{missing}; should be one of {shown}{more}")


def check_columns(columns: Sequence[str], where: str = "the file ") -> None:
    """Raises WorkError for too many columns, or two of one name."""
    if len(columns) > MAX_COLUMNS:
        raise WorkError(f"{where}has {len(columns):,} columns; should have at most {MAX_COLUMNS:,}")
    seen = set()
    for column in columns:
        if column in seen:
            raise WorkError(f"{where}has two columns called {column[:100]!r}; each should have its own name")
        seen.add(column)
