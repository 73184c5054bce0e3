"""Scored files, put together from their parts."""

import json
from pathlib import Path
from typing import IO, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from jobyard.shared.disk import Room
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.cells import NUMBERS, SCORE_COLUMNS, Cells, key_of, lines_of, renamed
from jobyard.workers.sentiment.tables.delimited import Delimited
from jobyard.workers.sentiment.tables.dialects import Dialect
from jobyard.workers.sentiment.tables.joining import Joiner, copy
from jobyard.workers.sentiment.tables.window import Part
from jobyard.workers.sentiment.tables.writers import ParquetWriter


class Merger:
    """Puts parts together. A context manager; `columns` are those of all parts.

    `as_read`: their rows have bodies, in which no column was renamed yet.
    """

    def __init__(self, path: Path, columns: list[str], *, as_read: bool = False) -> None:
        self._path = path
        self._as_read = as_read
        self._columns = columns
        self._names = renamed(columns)
        self._file = path.open("wb")

    def append(self, part: IO[bytes], size: int, columns: list[str], room: Room) -> None:
        """The first `size` bytes of a stream, which a Writer with these columns has written: into `room`."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def _copy(self, part: IO[bytes], size: int, room: Room) -> None:
        room.take(size)
        part.seek(0)
        copy(part, self._file, size)


class ParquetMerger(Merger):
    def __init__(self, path: Path, columns: list[str], *, as_read: bool = False) -> None:
        super().__init__(path, columns, as_read=as_read)
        self._joiner = Joiner(self._file)

    def append(self, part: IO[bytes], size: int, columns: list[str], room: Room) -> None:
        if columns == self._columns:
            room.take(size)
            self._joiner.append(part, size)
            return
        part.seek(0)
        read = pq.ParquetFile(pa.BufferReader(part.read(size)))
        again = self._path.with_name(f"{self._path.name}.again")
        try:
            with ParquetWriter(again, self._columns) as writer:
                for batch in read.iter_batches(use_threads=False):
                    room.take(writer.add(self._reshaped(batch, columns, writer)))
            with again.open("rb") as stream:
                self._joiner.append(stream, again.stat().st_size)
        finally:
            again.unlink(missing_ok=True)

    def _reshaped(self, batch: Any, columns: list[str], writer: ParquetWriter) -> Any:
        held = dict(zip(columns, batch.columns, strict=False))
        arrays = [
            held[column] if column in held else pa.nulls(len(batch), pa.string()) for column in self._columns
        ]
        return pa.record_batch([*arrays, *batch.columns[len(columns) :]], schema=writer.schema)

    def __exit__(self, *exc_info: object) -> None:
        if exc_info[0] is None:
            self._joiner.finish()
        super().__exit__(*exc_info)


class CsvMerger(Merger):
    """With a header."""

    style = kernels.CSV

    def __init__(self, path: Path, columns: list[str], *, as_read: bool = False) -> None:
        super().__init__(path, columns, as_read=as_read)
        names = pa.array([*self._names.values(), *SCORE_COLUMNS])
        cells = [
            Cells(names[index : index + 1], b"," if index else b"", self.style, b"")
            for index in range(len(names))
        ]
        self._file.write(lines_of(1, cells, b"\r\n"))

    def append(self, part: IO[bytes], size: int, columns: list[str], room: Room) -> None:
        if columns == self._columns:
            self._copy(part, size, room)
            return
        # By place: our columns may be called like theirs.
        places = {column: str(index) for index, column in enumerate(columns)}
        width = len(columns) + len(SCORE_COLUMNS)
        table = Delimited(Dialect(), [str(index) for index in range(width)])
        for rows in table.rows(part, Part(0, size, 0), "", Broken(skip=False), NoProgress()):
            order = [*(places.get(column) for column in self._columns), *map(str, range(len(columns), width))]
            cells = [
                Cells(
                    pa.nulls(rows.count, pa.string()) if place is None else rows.columns[place],
                    b"," if index else b"",
                    kernels.CSV,
                    b"",
                )
                for index, place in enumerate(order)
            ]
            room.take(self._file.write(lines_of(rows.count, cells, b"\r\n")))


class EscapingCsvMerger(CsvMerger):
    """The header's names are escaped; in the parts, the fields are already."""

    style = kernels.CSV_ESCAPED


class JsonLinesMerger(Merger):
    def append(self, part: IO[bytes], size: int, columns: list[str], room: Room) -> None:
        if not self._as_read or all(self._names[column] == column for column in columns):
            self._copy(part, size, room)
            return
        first = key_of(NUMBERS[0])
        part.seek(0)
        while part.tell() < size:
            line = part.readline()
            ours = line.rindex(first)  # no text comes after it
            row = json.loads(line[:ours].rstrip(b", ") + b"}")
            names = {self._names[key]: value for key, value in row.items()}
            text = json.dumps(names, ensure_ascii=False).encode().removesuffix(b"}")
            room.take(self._file.write(text + (b", " if names else b"") + line[ours:]))


MERGERS: dict[str, type[Merger]] = {"parquet": ParquetMerger, "csv": CsvMerger, "jsonl": JsonLinesMerger}
