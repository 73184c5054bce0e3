"""Scored files: Parquet, CSV or JSONL, written piece by piece."""

import csv
import json
from pathlib import Path
from typing import Any, Protocol, Self

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


def open_writer(format: str, path: Path, columns: list[str]) -> Writer:  # noqa: A002 (the spec's word)
    """A writer of `format` ("parquet", "csv", "jsonl") for the original `columns`.

    An original column that is called like one of ours keeps its values under `NAME_original`. Original
    values stay as they are where the format can hold them: JSONL keeps JSON's types; in Parquet and CSV
    every original value is a string, and JSON that is no string is written as JSON. Null and missing
    are null in Parquet, empty in CSV; JSONL keeps the difference.
    """
    return WRITERS[format](path, [*_renamed(columns), *SCORE_COLUMNS])


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


class ParquetFile:
    """Original columns are strings, scores are doubles, the label is a string; all may be null."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        scores = len(columns) - len(SCORE_COLUMNS)
        self._schema = pa.schema(
            [
                pa.field(name, pa.float64() if index >= scores and name != LABEL else pa.string())
                for index, name in enumerate(columns)
            ]
        )
        self._writer = pq.ParquetWriter(path, self._schema)
        self._batches: list[pa.RecordBatch] = []

    def write(self, rows: list[list[Any]]) -> None:
        columns = zip(*rows, strict=True)
        arrays = [
            pa.array(
                [_as_text(value) for value in column] if pa.types.is_string(field.type) else column,
                type=field.type,
            )
            for field, column in zip(self._schema, columns, strict=True)
        ]
        self._batches.append(pa.record_batch(arrays, schema=self._schema))
        held = sum(batch.num_rows for batch in self._batches)
        if held >= GROUP_ROWS or sum(batch.nbytes for batch in self._batches) >= GROUP_BYTES:
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


class CsvFile:
    """RFC 4180 with a header; UTF-8."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        # Lines end with \r\n so that the writer quotes fields that have either character.
        self._writer = csv.writer(self._file, lineterminator="\r\n")
        self._writer.writerow(columns)

    def write(self, rows: list[list[Any]]) -> None:
        scores = len(SCORE_COLUMNS)
        self._writer.writerows(
            [*(_as_text(value) for value in row[:-scores]), *row[-scores:]] for row in rows
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


WRITERS: dict[str, type[ParquetFile] | type[CsvFile] | type[JsonLinesFile]] = {
    "parquet": ParquetFile,
    "csv": CsvFile,
    "jsonl": JsonLinesFile,
}


def _as_text(value: Any) -> str | None:
    if value is None or value is MISSING:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
