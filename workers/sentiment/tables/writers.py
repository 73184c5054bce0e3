"""Parts of scored files: Parquet, CSV or JSONL, written batch by batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from jobyard.shared.errors import WorkError
from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.cells import (
    NUMBERS,
    SCORE_COLUMNS,
    Cells,
    Scored,
    as_csv,
    as_json,
    key_of,
    lines_of,
    renamed,
    score_cells,
    values_of,
)
from jobyard.workers.sentiment.tables.table import Rows

# A Parquet row group: large enough to compress and to be skipped well, small enough for memory.
GROUP_BYTES = 24_000_000
# A column of the source whose first values are half as many at most as these is written with a dictionary.
SAMPLE = 10_000


class Writer:
    """Writes a part of a scored file: rows with their scores. A context manager."""

    def __init__(self, path: Path, columns: list[str], types: Any = None) -> None:
        self._columns = columns

    def write(self, rows: Rows, scored: Scored) -> int:
        """Columns that the rows lack are null. Returns by how many bytes the file has grown."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        raise NotImplementedError


class ParquetWriter(Writer):
    """Columns are those of `types` (a schema, whose metadata is kept), or strings."""

    def __init__(self, path: Path, columns: list[str], types: Any = None) -> None:
        super().__init__(path, columns)
        names = renamed(columns)
        # As the source has them: whether they may be null, the ids of fields, what is said of them.
        originals = [
            pa.field(names[column], pa.string())
            if types is None
            else types.field(place).with_name(names[column])
            for place, column in enumerate(columns)
        ]
        numbers = [pa.field(name, pa.float64()) for name in NUMBERS]
        label = pa.field(SCORE_COLUMNS[-1], pa.string())
        self.schema = pa.schema([*originals, *numbers, label], None if types is None else types.metadata)
        self._path = path
        self._writer: Any = None
        self._batches: list[Any] = []

    def write(self, rows: Rows, scored: Scored) -> int:
        nulls = scored.nulls
        arrays = [
            *(
                _cast(rows.column(column, field.type), field)
                for column, field in zip(self._columns, self.schema, strict=False)
            ),
            *(pa.array(numbers, mask=nulls) for numbers in scored[:-1]),
            scored.label_array,
        ]
        return self.add(pa.record_batch(arrays, schema=self.schema))

    def add(self, batch: Any) -> int:
        """Rows that have all columns of this file; as `write`."""
        self._batches.append(batch)
        if sum(held.nbytes for held in self._batches) < GROUP_BYTES:
            return 0
        return self._flush()

    def _flush(self) -> int:
        before = self._path.stat().st_size if self._writer is not None else 0
        table = pa.Table.from_batches(self._batches, self.schema)
        self._batches.clear()
        if self._writer is None:
            originals = zip(table.column_names, table.columns[: len(self._columns)], strict=False)
            few = [*(name for name, column in originals if _are_few(column)), *SCORE_COLUMNS]
            self._writer = pq.ParquetWriter(self._path, self.schema, compression="snappy", use_dictionary=few)
        self._writer.write_table(table, row_group_size=max(len(table), 1))
        return self._path.stat().st_size - before

    def __exit__(self, *exc_info: object) -> None:
        if exc_info[0] is None and (self._batches or self._writer is None):
            self._flush()
        if self._writer is not None:
            self._writer.close()


def _cast(array: Any, field: Any) -> Any:
    """As the type that a column has in several files together. Raises WorkError where values don't fit."""
    if array.type == field.type:
        return array
    try:
        return array.cast(field.type)
    except pa.ArrowException as error:
        why = str(error).splitlines()[0][:200]
        raise WorkError(f"column {field.name!r} is {array.type}, and can't be {field.type}: {why}") from None


def _are_few(column: Any) -> bool:
    sample = column.slice(0, SAMPLE)
    try:
        return bool(len(sample.unique()) <= len(sample) // 2)
    except pa.ArrowException:  # lists and the like are not compared
        return True


class TextWriter(Writer):
    """What CSV and JSONL have in common."""

    def __init__(self, path: Path, columns: list[str], types: Any = None) -> None:
        super().__init__(path, columns)
        self._file = path.open("wb")

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


class CsvWriter(TextWriter):
    """RFC 4180 without a header; UTF-8. Null is empty."""

    style = kernels.CSV

    def write(self, rows: Rows, scored: Scored) -> int:
        cells: list[Cells] = []
        for column in self._columns:
            array, style = values_of(rows.column(column), self.style, as_csv)
            cells.append(Cells(array, b"," if cells else b"", style, b""))
        cells += score_cells(scored, [b"," if cells else b"", *[b","] * 4], kernels.CSV, b"")
        return self._file.write(lines_of(rows.count, cells, b"\r\n"))


class EscapingCsvWriter(CsvWriter):
    """With an apostrophe before what a spreadsheet would take for a formula."""

    style = kernels.CSV_ESCAPED


class JsonLinesWriter(TextWriter):
    """One object per line; UTF-8. JSON that was read is written as it was, with our keys after it."""

    def write(self, rows: Rows, scored: Scored) -> int:
        cells: list[Cells] = []
        if rows.bodies is not None:
            cells.append(Cells(rows.bodies, b"", kernels.PLAIN, b""))
            first = b""
        else:
            first = b"{"
            for column, name in renamed(self._columns).items():
                array, style = values_of(rows.column(column), kernels.JSON, as_json)
                cells.append(Cells(array, first + key_of(name), style, b"null"))
                first = b", "
        prefixes = [first + key_of(NUMBERS[0]), *(b", " + key_of(name) for name in SCORE_COLUMNS[1:])]
        cells += score_cells(scored, prefixes, kernels.JSON, b"null")
        return self._file.write(lines_of(rows.count, cells, b"}\n"))


# By the spec's format.
WRITERS: dict[str, type[Writer]] = {"parquet": ParquetWriter, "csv": CsvWriter, "jsonl": JsonLinesWriter}


@contextmanager
def written(output: Path) -> Iterator[None]:
    """Leave no half of a file behind."""
    try:
        yield
    except BaseException:
        output.unlink(missing_ok=True)
        raise
