"""The first rows of a file of texts, as a look at it shows them."""

from itertools import islice
from typing import IO, Any, Final

import pyarrow as pa

from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.arrays import strings_of
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.parquet import ParquetTable
from jobyard.workers.sentiment.tables.table import Table
from jobyard.workers.sentiment.tables.window import Part

ROWS: Final = 5
# Of a row, so many cells are shown, and so many characters of each.
CELLS: Final = 30
CHARACTERS: Final = 200
# What a file of Parquet may unpack to.
MOST_UNPACKED: Final = 800 << 20


def first_rows(
    table: Table, whole: Part, seen: Broken, stream: IO[bytes], progress: Progress
) -> tuple[list[list[str | None]], list[str]]:
    """The first rows, each with the cells of the first columns; and the columns that were seen."""
    if isinstance(table, ParquetTable):
        return _rows_of_parquet(table, whole, stream, progress)
    if whole.start == whole.end:
        return [], []
    # No column is that of texts yet, so none of its values is refused.
    for batch in table.rows(stream, whole, "", seen, progress):
        return _cells(batch.columns, min(batch.count, ROWS)), list(batch.columns)
    return [], []


def _rows_of_parquet(
    table: ParquetTable, whole: Part, stream: IO[bytes], progress: Progress
) -> tuple[list[list[str | None]], list[str]]:
    """None of a file whose rows are not there: its head and its footer are."""
    texts = table.texts(stream)
    if not texts or whole.start == whole.end:
        return [], []
    try:
        table.check(stream, texts[0], MOST_UNPACKED, progress)
        some = whole._replace(end=min(whole.end, ROWS))
        batch = next(table.rows(stream, some, texts[0], Broken(skip=True), progress), None)
    except WorkError:
        return [], []
    return ([], []) if batch is None else (_cells(batch.columns, batch.count), [])


def _cells(columns: dict[str, Any], count: int) -> list[list[str | None]]:
    shown = [_texts(array[:count]) for array in islice(columns.values(), CELLS)]
    return [list(row) for row in zip(*shown, strict=True)]


def _texts(array: Any) -> list[str | None]:
    try:
        values = strings_of(array).to_pylist()
    except (pa.ArrowException, UnicodeError):
        values = [None if value is None else str(value) for value in array.to_pylist()]
    return [_cut(value) for value in values]


def _cut(value: str | None) -> str | None:
    return value if value is None or len(value) <= CHARACTERS else f"{value[:CHARACTERS]}…"
