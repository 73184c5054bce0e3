"""Reading Parquet."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.reading import ColumnNumber
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.arrays import (
    array_at,
    inner_type,
    is_binary,
    is_json,
    is_text,
    is_utf_8,
    may_be_texts,
    names_within,
    nested_json,
    path_of,
    strings_of,
)
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.footer import RowGroup, read_footer
from jobyard.workers.sentiment.tables.names import unique_names
from jobyard.workers.sentiment.tables.pages import Pages, bytes_of
from jobyard.workers.sentiment.tables.table import Rows, Table, batch_rows, check_columns, choose
from jobyard.workers.sentiment.tables.window import MAX_LINE, TOO_LONG, Part

# Arrow needs several times a batch's size to read it.
READ_ROWS = 20_000
BUFFER_BYTES = 1 << 20


class ParquetTable(Table):
    """Columns keep their types. A part's start and end are numbers of rows."""

    kind = "parquet"

    def __init__(self, columns: list[str], batch: int = 0) -> None:
        self.columns = columns
        self.batch = batch
        self._groups: list[RowGroup] = []
        self._warnings: Sequence[str] = ()

    @property
    def warnings(self) -> Sequence[str]:
        return self._warnings

    def begin(self, stream: IO[bytes], whole: Part, broken: Broken, progress: Progress) -> Part:
        self._groups = read_footer(stream, progress)
        # Two may have one name, as after a join; Arrow tells them apart by their places.
        self.columns, self._warnings = unique_names(_opened(stream).schema_arrow.names)
        check_columns(self.columns)
        return Part(0, sum(group.rows for group in self._groups), 0)

    def choose(
        self, stream: IO[bytes], whole: Part, column: str | int | ColumnNumber | None, progress: Progress
    ) -> str:
        schema = _opened(stream).schema_arrow
        if isinstance(column, str) and column not in self.columns:
            found = path_of(schema, self.columns, column) is not None
            return column if found else choose([*self.columns, *names_within(schema)], column)
        return choose(self.columns, column)

    def within(self, stream: IO[bytes], whole: Part, progress: Progress) -> Sequence[str]:
        return names_within(_opened(stream).schema_arrow)

    def texts(self, stream: IO[bytes]) -> list[str]:
        """The columns that may be scored."""
        schema = _opened(stream).schema_arrow
        return [name for name, field in zip(self.columns, schema, strict=True) if may_be_texts(field.type)]

    def check(self, stream: IO[bytes], texts: str, limit: int, progress: Progress) -> int:
        """Look at the column of texts and at every page. Returns how many rows may be read at once.

        Raises WorkError for another type, or over `limit` bytes once unpacked.
        """
        kind = inner_type(_opened(stream).schema_arrow, self.columns, texts)
        if not may_be_texts(kind):
            raise WorkError(f"column {texts!r} is {kind}; should be strings")
        most = min(batch_rows(len(self.columns)), READ_ROWS)
        self.batch = Pages(stream, self._groups).batch(limit, most, progress)
        return self.batch

    def parts(
        self, stream: IO[bytes], whole: Part, size: int, broken: Broken, progress: Progress
    ) -> Iterator[tuple[Part, int]]:
        start = end = held = 0
        for group in self._groups:
            if held and held + group.bytes > 1.5 * size:
                yield Part(start, end, 0), end - start
                start, held = end, 0
            count = 1 if held else max(1, round(group.bytes / size))
            edges = [end + group.rows * edge // count for edge in range(1, count + 1)]
            for edge in edges[:-1]:
                if edge > start:
                    yield Part(start, edge, 0), edge - start
                    start = edge
            end = edges[-1]
            held += group.bytes // count
            if held >= size and end > start:
                yield Part(start, end, 0), end - start
                start, held = end, 0
        if end > start:
            yield Part(start, end, 0), end - start

    def schema(self, stream: IO[bytes]) -> Any:
        """The fields of the columns, and what the file says of itself."""
        found = _opened(stream).schema_arrow
        fields = [field.with_name(name) for field, name in zip(found, self.columns, strict=True)]
        return pa.schema(fields, _for_more_columns(found.metadata))

    def rows(
        self, stream: IO[bytes], part: Part, texts: str, broken: Broken, progress: Progress
    ) -> Iterator[Rows]:
        if part.start == part.end:
            return
        file = _opened(stream)
        groups, first = [], None
        at = 0
        for number in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            if rows and at < part.end and at + rows > part.start:
                groups.append(number)
                first = at if first is None else first
            at += rows
        at = first or 0
        batches = file.iter_batches(self.batch, row_groups=groups, use_threads=False)
        try:
            for batch in batches:
                progress.check()
                begin, end = max(part.start - at, 0), min(part.end - at, len(batch))
                if begin < end:
                    yield from self._batch(batch[begin:end], at + begin + 1, texts, broken)
                at += len(batch)
                if at >= part.end:
                    return
        except (pa.ArrowException, OSError) as error:
            raise WorkError(f"the file is broken Parquet: {_line(error)}") from None
        raise WorkError("the file is broken Parquet: it has fewer rows than its metadata says")

    def _batch(self, batch: Any, row: int, texts: str, broken: Broken) -> Iterator[Rows]:
        paths = {name: path_of(batch.schema, self.columns, name) or [0] for name in [texts, *self.inner]}
        found = array_at(batch, paths[texts])
        is_bad = np.zeros(len(batch), np.bool_)
        for array in batch.columns:
            if _has_texts(array.type) and not is_utf_8(array):
                _flag(array, is_bad)
        if is_binary(found.type):
            _flag(found, is_bad)
        strings = strings_of(found)
        lengths = pa.compute.binary_length(strings)
        is_too_long = lengths.fill_null(0).to_numpy(zero_copy_only=False) > MAX_LINE
        is_nested = np.zeros(len(batch), np.bool_)
        if is_json(found.type):
            is_nested = nested_json(found).to_numpy(zero_copy_only=False)
        is_bad |= is_too_long | is_nested
        if is_bad.any():
            numbers = np.flatnonzero(is_bad).tolist()
            broken.rows(
                len(numbers),
                ((row + number, _reason(is_too_long[number], is_nested[number])) for number in numbers),
            )
            batch = batch.filter(pa.array(~is_bad))
        if len(batch):
            columns = dict(zip(self.columns, batch.columns, strict=True))
            inner = {name: array_at(batch, paths[name]) for name in self.inner}
            yield Rows(len(batch), columns | inner)


def _for_more_columns(metadata: Mapping[bytes, bytes] | None) -> Mapping[bytes, bytes] | None:
    """The same, but that pandas takes names for strings: numbers, or names on levels, ours are not."""
    try:
        told = json.loads((metadata or {})[b"pandas"])
        levels = [level["pandas_type"] for level in told["column_indexes"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return metadata
    if levels in ([], ["unicode"]):
        return metadata
    told["column_indexes"] = []
    return {**(metadata or {}), b"pandas": json.dumps(told).encode()}


def _reason(is_too_long: bool, is_nested: bool) -> str:
    if is_too_long:
        return f"the text {TOO_LONG}"
    return "the text is JSON with more in it; should be a string or null" if is_nested else "is not UTF-8"


def _has_texts(kind: Any) -> bool:
    return is_text(kind) or any(_has_texts(kind.field(place).type) for place in range(kind.num_fields))


def _flag(array: Any, flags: Any) -> None:
    """Flag the texts that are not UTF-8, or the values that have such texts in them."""
    if not is_text(array.type) and not is_binary(array.type):
        for row in range(len(array)):
            flags[row] |= not is_utf_8(array[row : row + 1])
        return
    storage = array.storage if isinstance(array.type, pa.BaseExtensionType) else array
    texts = strings_of(storage)
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int32, len(texts) + 1, texts.offset * 4).astype(np.int64)
    kernels.flawed(bytes_of(data), places[:-1], places[1:], True, flags)


def _opened(stream: IO[bytes]) -> Any:
    try:
        # Buffered: else the whole of a row group's column is held at once.
        return pq.ParquetFile(stream, buffer_size=BUFFER_BYTES)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if "ncrypt" in str(error):
            raise WorkError("the file is encrypted Parquet; should not be encrypted") from None
        raise WorkError(f"the file is broken Parquet: {_line(error)}") from None


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200].removesuffix(".")
