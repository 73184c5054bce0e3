"""Scored files: Parquet, CSV or JSONL, written piece by piece, or put together from parts."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any, Protocol, Self, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from workers.sentiment.readers import MISSING
from workers.sentiment.scorer import Scores

LABEL = "label"
SCORE_COLUMNS = (*Scores._fields, LABEL)

# A Parquet row group: large enough to compress and to be skipped well, small enough for memory.
GROUP_ROWS = 50_000
GROUP_BYTES = 32_000_000


class Writer(Protocol):
    """Takes rows whose values are in the order of its columns: the original ones, then SCORE_COLUMNS."""

    def write(self, rows: list[list[Any]]) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...


class WholeWriter(Writer, Protocol):
    """Takes rows, and also parts that a writer of `open_part_writer` has written."""

    def append(self, part: Path) -> None: ...


def open_writer(format: str, path: Path, columns: list[str]) -> WholeWriter:  # noqa: A002 (the spec's word)
    """A writer of `format` ("parquet", "csv", "jsonl") for the original `columns`.

    An original column that is called like one of ours keeps its values under `NAME_original`. Original
    values stay as they are where the format can hold them: JSONL keeps JSON's types; in Parquet and CSV
    every original value is a string, and JSON that is no string is written as JSON. Null and missing
    are null in Parquet, empty in CSV; JSONL keeps the difference.
    """
    return WRITERS[format](path, [*_renamed(columns), *SCORE_COLUMNS])


def open_part_writer(format: str, path: Path, columns: list[str]) -> Writer:  # noqa: A002
    """A writer of a part of such a file. To append the parts makes the same bytes as to write all rows."""
    return PART_WRITERS[format](path, [*_renamed(columns), *SCORE_COLUMNS])


def _renamed(columns: list[str]) -> list[str]:
    taken = {*columns, *SCORE_COLUMNS}
    names = []
    for column in columns:
        name = column
        if column in SCORE_COLUMNS:
            while name in taken:
                name += "_original"
            taken.add(name)
        names.append(name)
    return names


def _schema(columns: list[str]) -> pa.Schema:
    """Original columns are strings, scores are doubles, the label is a string; all may be null."""
    scores = len(columns) - len(SCORE_COLUMNS)
    return pa.schema(
        [
            pa.field(name, pa.float64() if index >= scores and name != LABEL else pa.string())
            for index, name in enumerate(columns)
        ]
    )


def _batch(schema: pa.Schema, rows: list[list[Any]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [
        pa.array(
            [_as_text(value) for value in column] if pa.types.is_string(field.type) else column,
            type=field.type,
        )
        for field, column in zip(schema, columns, strict=True)
    ]
    return pa.record_batch(arrays, schema=schema)


class ParquetFile:
    """Row groups of whole batches, each of which is what was written at once."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self._schema = _schema(columns)
        self._writer = pq.ParquetWriter(path, self._schema)
        self._batches: list[pa.RecordBatch] = []

    def write(self, rows: list[list[Any]]) -> None:
        self._add(_batch(self._schema, rows))

    def append(self, part: Path) -> None:
        with pa.ipc.open_stream(part) as batches:
            for batch in batches:
                self._add(batch)

    def _add(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        held = sum(batch.num_rows for batch in self._batches)
        # The size in Arrow's own format is the same for a batch that was made here and for one that was read.
        if held >= GROUP_ROWS or sum(map(pa.ipc.get_record_batch_size, self._batches)) >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches))
            self._batches.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if exc_info[0] is None:
            self._flush()
        self._writer.close()


class ArrowFile:
    """A part of a Parquet file: its batches as they are, for a row group may have those of several parts."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self._schema = _schema(columns)
        self._writer = pa.ipc.new_stream(path, self._schema)

    def write(self, rows: list[list[Any]]) -> None:
        self._writer.write_batch(_batch(self._schema, rows))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._writer.close()


class CsvPart:
    """RFC 4180 without a header; UTF-8."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        # Lines end with \r\n so that the writer quotes fields that have either character.
        self._writer = csv.writer(self._file, lineterminator="\r\n")

    def write(self, rows: list[list[Any]]) -> None:
        scores = len(SCORE_COLUMNS)
        self._writer.writerows(
            [*(_as_text(value) for value in row[:-scores]), *row[-scores:]] for row in rows
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


class CsvFile(CsvPart):
    """RFC 4180 with a header; UTF-8."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        super().__init__(path, columns)
        self._writer.writerow(columns)

    def append(self, part: Path) -> None:
        _append(self._file, part)


class JsonLinesFile:
    """One object per line; UTF-8. A key that was missing stays missing."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._columns = columns

    def write(self, rows: list[list[Any]]) -> None:
        for row in rows:
            record = {
                name: value for name, value in zip(self._columns, row, strict=True) if value is not MISSING
            }
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def append(self, part: Path) -> None:
        _append(self._file, part)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


WRITERS: dict[str, type[ParquetFile] | type[CsvFile] | type[JsonLinesFile]] = {
    "parquet": ParquetFile,
    "csv": CsvFile,
    "jsonl": JsonLinesFile,
}
PART_WRITERS: dict[str, type[ArrowFile] | type[CsvPart] | type[JsonLinesFile]] = {
    "parquet": ArrowFile,
    "csv": CsvPart,
    "jsonl": JsonLinesFile,
}


def _append(file: TextIO, part: Path) -> None:
    file.flush()
    with part.open("rb") as source:
        shutil.copyfileobj(source, file.buffer)


def _as_text(value: Any) -> str | None:
    if value is None or value is MISSING:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
