"""The plan of a file: what is found out about it in one reading, before any of its texts is scored."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import pyarrow as pa

from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.reading import ColumnNumber
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.contents import Found, find, head_of, open_table
from jobyard.workers.sentiment.tables.dialects import Dialect
from jobyard.workers.sentiment.tables.encodings import doubts, text_begin
from jobyard.workers.sentiment.tables.opening import open_plain
from jobyard.workers.sentiment.tables.parquet import ParquetTable
from jobyard.workers.sentiment.tables.readings import LONG_BYTES
from jobyard.workers.sentiment.tables.steps import Opened
from jobyard.workers.sentiment.tables.table import Table
from jobyard.workers.sentiment.tables.window import Part

# Arrow's own allocator keeps more of what it has given back, and is no faster here.
pa.set_memory_pool(pa.system_memory_pool())

# A part is about a twelfth of the file, within these bounds: so many that processes end together, each up
# to a second of scoring, which is how long one text may have to wait for a process.
PARTS = 12
MIN_PART_BYTES = 4_000_000
MAX_PART_BYTES = 24_000_000
# A file of fewer parts is scored at once: it is done sooner than it is split and put together.
MIN_PARTS = 4


@dataclass(frozen=True)
class Plan:
    """What is known of a file after it was read once, and so need not be found out again for each part.

    `dialect` is that of delimited text. `rows` are counted nearly. `is_copied`: parts are ranges of its
    plain bytes, which were written aside. `batch`, of Parquet, is how many rows may be read at once.
    `read_as` and `warnings` are for the result.
    """

    kind: str
    dialect: Dialect | None
    name: str
    columns: list[str]
    column: str
    group_by: str | None
    is_copied: bool
    batch: int
    parts: list[Part]
    part_rows: list[int]
    read_as: dict[str, Any]
    warnings: list[str]
    numbered: str = "line"

    @property
    def rows(self) -> int:
        return sum(self.part_rows)

    @property
    def is_large(self) -> bool:
        """Whether it is worth to be scored by several processes."""
        return True

    @classmethod
    def from_trailer(cls, note: dict[str, Any]) -> Self:
        dialect = None if note["dialect"] is None else Dialect.from_note(note["dialect"])
        parts = [Part(*part) for part in note["parts"]]
        return cls(**note | {"dialect": dialect, "parts": parts})

    def note(self) -> dict[str, Any]:
        """For `from_trailer`: what JSON can hold."""
        return dict(vars(self))

    def place(self, number: int, stream: IO[bytes]) -> "Place":
        """Where a part is. `stream` has the bytes that the parts are ranges of."""
        return Place(self, self.parts[number], stream, {}, None)

    def table(self, wanted: list[str] | None = None) -> Table:
        table = open_table(self.kind, list(self.columns), wanted, self.dialect)
        if isinstance(table, ParquetTable):
            table.batch = self.batch
        table.inner = [name for name in (self.column, self.group_by) if name and name not in self.columns]
        return table


class Place(NamedTuple):
    """The plan of a part's file, the part's range of that file's bytes, and these.

    `added` are columns that the file does not have itself, and their value in its rows. `schema` is that of
    all files, where those are several of Parquet.
    """

    plan: Plan
    part: Part
    stream: IO[bytes]
    added: dict[str, str]
    schema: Any


def read_file(
    spec: SentimentSpec,
    source: Path,
    name: str,
    copy: Path,
    limit: int,
    progress: Progress,
    room: Room | None = None,
) -> Plan:
    """Find out what `source` is and where its parts begin and end; `copy` gets its plain bytes if need be.

    Its first rows and the places of all its quotes are checked, the rest where it is scored. `copy` takes
    `room`. Raises WorkError, and what `room` raises.
    """
    progress.phase("reading")
    opened = open_plain(spec, source, name, copy, limit, progress, room or Room())
    # In parts they are found once more, and counted there.
    broken = Broken(skip=spec.errors == "skip", numbered=opened.numbered)
    head = opened.head
    with opened.path.open("rb") as stream:
        is_json = "rows_of" in opened.read_as
        longer = partial(head_of, stream, LONG_BYTES)
        asked = written_as(opened, spec)
        kind = Found("jsonl") if is_json else find(head, opened.name, asked, longer)
        size = stream.seek(0, 2)
        table, whole = begun(kind, stream, Part(text_begin(head), size, 0), broken, progress)
        choose = partial(chosen, table, opened, stream, whole, progress)
        column = choose("column", spec.column)
        group_by = None if spec.group_by is None else choose("group_by", spec.group_by)
        batch = table.check(stream, column, limit, progress) if isinstance(table, ParquetTable) else 0
        # A little more than that: parts end with a row, before it is reached, and no scrap is to be left.
        part_size = min(max(size // PARTS + size // 1_000, MIN_PART_BYTES), MAX_PART_BYTES)
        # A table without rows is one part without rows, which brings the columns.
        found = list(table.parts(stream, whole, part_size, broken, progress)) or [(whole, 0)]
    return Plan(
        table.kind,
        kind.dialect,
        name,
        table.columns,
        column,
        group_by,
        opened.path != source,
        batch,
        [part for part, _ in found],
        [rows for _, rows in found],
        read_as_of(table, opened),
        [
            *opened.warnings,
            *([] if isinstance(table, ParquetTable) or "encoding" in opened.read_as else doubts(head)),
            *kind.warnings,
            *table.warnings,
        ],
        opened.numbered,
    )


def has_bodies(spec: SentimentSpec, plan: Plan) -> bool:
    """Whether rows are written with the bytes that they were read from: JSON lines of JSON lines."""
    return plan.kind == "jsonl" and spec.format == "jsonl"


def written_as(opened: Opened, spec: SentimentSpec) -> SentimentSpec:
    """A sheet was written aside as CSV, which is not how the file is written that the job speaks of."""
    is_sheet = "sheet" in opened.read_as
    return spec.model_copy(update={"delimiter": ",", "quote": "double"}) if is_sheet else spec


def begun(
    kind: Found, stream: IO[bytes], every: Part, broken: Broken, progress: Progress
) -> tuple[Table, Part]:
    """The table that is found in `every` byte, and where its rows are. Raises WorkError."""
    table = open_table(kind.kind, [], dialect=kind.dialect)
    return table, table.begin(stream, every, broken, progress)


def read_as_of(table: Table, opened: Opened) -> dict[str, Any]:
    """What was found out about a file, for the result; also whether rows are counted, and not lines."""
    numbered = {} if opened.numbered == "line" else {"numbered": opened.numbered}
    return {"format": table.kind, **table.read_as, **opened.read_as, **numbered}


def chosen(
    table: Table,
    opened: Opened,
    stream: IO[bytes],
    whole: Part,
    progress: Progress,
    field: str,
    asked: str | int | ColumnNumber | None,
) -> str:
    """The name of the column that a field of the spec asks for. Raises WorkError with that field."""
    try:
        return table.choose(stream, whole, _named_inside(opened, asked), progress)
    except WorkError as error:
        raise WorkError(error.message, field=error.field or field) from None


def _named_inside(opened: Opened, column: str | int | ColumnNumber | None) -> str | int | ColumnNumber | None:
    """A column as it is called in a row, where it may be said with what the rows are in."""
    return (column.removeprefix(opened.prefix) or column) if isinstance(column, str) else column
