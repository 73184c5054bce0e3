"""Reading Parquet, of which a few bytes can stand for terabytes.

A batch has so few rows that it can't be large, whatever they are. How few is found out beforehand, from the
headers of all pages and the values of all dictionaries.
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.footer import Chunk, RowGroup, read_footer
from jobyard.workers.sentiment.tables.table import Rows, Table, batch_rows, check_columns
from jobyard.workers.sentiment.tables.thrift import Reader, Wanted
from jobyard.workers.sentiment.tables.window import MAX_LINE, TOO_LONG, Part

# Of a batch in memory, of a page, and of a row group's column of lists: these are bounded as a whole.
BATCH_BYTES = 48_000_000
MAX_PAGE = 64_000_000
MAX_NESTED = 200_000_000
MAX_PAGES = 1_000_000
# Of all columns together: of a batch, and of what is unpacked to read it. Writers make pages and dictionaries
# of a megabyte.
MAX_BATCH = 4 * BATCH_BYTES
MAX_HELD = 500_000_000
# Arrow needs several times a batch's size to read it.
READ_ROWS = 20_000
BUFFER_BYTES = 1 << 20

# Fields of a page's header.
UNPACKED, PACKED, DATA, DICTIONARY, DATA_2 = 2, 3, 5, 7, 8
VALUES, ENCODING, ENCODING_2 = 1, 2, 4
HEADER: Wanted = {
    UNPACKED: None,
    PACKED: None,
    DATA: {VALUES: None, ENCODING: None},
    DICTIONARY: {VALUES: None},
    DATA_2: {VALUES: None, ENCODING_2: None},
}
PLAIN, PLAIN_DICTIONARY, DELTA_STRINGS, RLE_DICTIONARY = 0, 2, 7, 8

WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}


# How many bytes so many rows in a row can be at most.
Reach = Callable[[int], float]


class ParquetTable(Table):
    """Columns keep their types. A part's start and end are numbers of rows."""

    kind = "parquet"

    def __init__(self, columns: list[str], batch: int = 0) -> None:
        self.columns = columns
        self.batch = batch
        self._groups: list[RowGroup] = []

    def begin(self, stream: IO[bytes], whole: Part, broken: Broken, progress: Progress) -> Part:
        self._groups = read_footer(stream, progress)
        self.columns = list(_opened(stream).schema_arrow.names)
        check_columns(self.columns)
        return Part(0, sum(group.rows for group in self._groups), 0)

    def check(self, stream: IO[bytes], texts: str, limit: int, progress: Progress) -> int:
        """Look at the column of texts and at every page. Returns how many rows may be read at once.

        Raises WorkError for another type, or over `limit` bytes once unpacked.
        """
        file = _opened(stream)
        kind = file.schema_arrow.field(texts).type
        if not is_text(kind):
            raise WorkError(f"column {texts!r} is {kind}; should be strings")
        most = min(batch_rows(len(self.columns)), READ_ROWS)
        self.batch = _Pages(stream, self._groups).batch(limit, most, progress)
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
        """The types of the columns."""
        return _opened(stream).schema_arrow.remove_metadata()

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
        is_bad = np.zeros(len(batch), np.bool_)
        for array in batch.columns:
            if is_text(array.type) and not _is_utf_8(array):
                _flag(array, is_bad)
        lengths = pa.compute.binary_length(strings_of(batch.column(self.columns.index(texts))))
        is_too_long = lengths.fill_null(0).to_numpy(zero_copy_only=False) > MAX_LINE
        is_bad |= is_too_long
        if is_bad.any():
            numbers = np.flatnonzero(is_bad).tolist()
            reasons = (
                (row + number, f"the text {TOO_LONG}" if is_too_long[number] else "is not UTF-8")
                for number in numbers
            )
            broken.rows(len(numbers), reasons)
            batch = batch.filter(pa.array(~is_bad))
        if len(batch):
            yield Rows(len(batch), dict(zip(self.columns, batch.columns, strict=True)))


def is_text(kind: Any) -> bool:
    """Whether Arrow's type is one of strings, also as a dictionary."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def strings_of(array: Any) -> Any:
    """The same texts as an array of plain strings."""
    return array if pa.types.is_string(array.type) else array.cast(pa.string())


def _is_utf_8(array: Any) -> bool:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _flag(array: Any, flags: Any) -> None:
    """Flag the texts that are not UTF-8."""
    texts = strings_of(array)
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int32, len(texts) + 1, texts.offset * 4).astype(np.int64)
    kernels.flawed(_bytes_of(data), places[:-1], places[1:], True, flags)


def _bytes_of(data: Any) -> Any:
    """As the compiled loops have them: they would be compiled once more for bytes that can be written to."""
    found = np.frombuffer(data, np.uint8)
    found.setflags(write=False)
    return found


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


class _Pages:
    """The headers of all pages of a file."""

    def __init__(self, stream: IO[bytes], groups: list[RowGroup]) -> None:
        self._stream = stream
        self._groups = groups
        self._pages = 0
        self._unpacked = 0
        # Of a row group: a dictionary and a page of each column.
        self._held = 0

    def batch(self, limit: int, most: int, progress: Progress) -> int:
        """How many rows, `most` of all, are never over BATCH_BYTES. Raises WorkError."""
        for group in self._groups:
            if not group.rows:  # nothing is read of it
                continue
            self._held = 0
            reaches = []
            for chunk in group.chunks:
                try:
                    rows, reach = self._rows(group.rows, chunk, limit, progress)
                except (ValueError, IndexError, KeyError, AttributeError, TypeError):
                    raise WorkError("the file is broken Parquet: a page's header can't be read") from None
                most = min(most, rows)
                reaches.append(reach)
            # Each column alone is small enough by now.
            while most > 1 and sum(reach(most) for reach in reaches) > MAX_BATCH:
                most //= 2
        return most

    def _rows(self, rows: int, chunk: Chunk, limit: int, progress: Progress) -> tuple[int, Reach]:
        longest = WIDTHS.get(chunk.type, 0)
        # Of each page: its values, and how large one of them and all of them are in memory at most.
        pages: list[tuple[int, int, int]] = []
        offset = chunk.start
        dictionary = page = 0
        progress.check()
        while offset < chunk.end:
            progress.check()
            header, length = self._header(offset)
            packed, unpacked = header[PACKED].value, header[UNPACKED].value
            self._pages += 1
            self._unpacked += unpacked
            if not 0 <= packed <= 2 * MAX_PAGE or unpacked < 0 or self._pages > MAX_PAGES:
                raise ValueError
            if unpacked > MAX_PAGE:
                raise WorkError(
                    f"column {chunk.name!r} has a page of {unpacked:,} bytes; "
                    f"should have at most {MAX_PAGE:,}"
                )
            if self._unpacked > limit:
                raise WorkError(f"the file unpacks to over {limit:,} bytes; should unpack to fewer")
            if DICTIONARY in header:
                dictionary = unpacked
            else:
                page = max(page, unpacked)
            if DICTIONARY in header and not longest:
                longest = self._longest(chunk, offset + length, packed, unpacked)
            for data, encoding in ((DATA, ENCODING), (DATA_2, ENCODING_2)):
                if data in header:
                    fields = header[data].value
                    pages.append(_size(fields[VALUES].value, unpacked, fields[encoding].value, longest))
            offset += length + packed
        self._held += dictionary + page
        if self._held > MAX_HELD:
            raise WorkError(
                f"a row group's columns have pages of over {MAX_HELD:,} bytes that are needed at once; "
                "should have smaller pages and dictionaries"
            )
        return _dense(rows, pages, chunk.name)

    def _header(self, offset: int) -> tuple[dict[int, Any], int]:
        for size in (1 << 10, 1 << 20):
            self._stream.seek(offset)
            reader = Reader(self._stream.read(size))
            try:
                return reader.struct(HEADER), reader.at
            except (ValueError, IndexError):
                if size == 1 << 20:
                    raise
        raise ValueError

    def _longest(self, chunk: Chunk, offset: int, packed: int, unpacked: int) -> int:
        """The length of the longest string of a dictionary, whose page is in PLAIN encoding."""
        self._stream.seek(offset)
        data = self._stream.read(packed)
        if chunk.codec != "none":
            try:
                data = pa.Codec(chunk.codec).decompress(data, unpacked).to_pybytes()
            except (pa.ArrowException, OSError, ValueError):
                return unpacked
        if chunk.type == "FIXED_LEN_BYTE_ARRAY":
            return unpacked
        return int(kernels.longest_of(_bytes_of(data)))


def _size(values: int, unpacked: int, encoding: int, longest: int) -> tuple[int, int, int]:
    """(values, how large one can be in memory, how large all can be) of a page."""
    if values < 0:
        raise ValueError
    if encoding in (PLAIN_DICTIONARY, RLE_DICTIONARY):
        return values, longest + 4, values * (longest + 4)
    if encoding == DELTA_STRINGS:  # each may repeat all that was before it
        return values, unpacked, values * unpacked
    return values, unpacked + 8, unpacked + values * 8


def _dense(rows: int, pages: list[tuple[int, int, int]], name: str) -> tuple[int, Reach]:
    """How many rows in a row are never over BATCH_BYTES, or 1, if pages are as `_size` says; and how large
    any number of rows can be.
    """
    values, one, total = np.array(pages, np.float64).reshape(-1, 3).T
    if values.sum() > rows:  # lists: nobody says how many of their values are in a row
        if total.sum() > MAX_NESTED:
            raise WorkError(
                f"column {name!r} has up to {int(total.sum()):,} bytes in a row group; "
                f"should have at most {MAX_NESTED:,}"
            )
        each = total.sum() / max(rows, 1)
        return max(1, int(rows * BATCH_BYTES / max(total.sum(), 1))), lambda most: each * most
    begins = np.append(0, np.cumsum(values))

    def reach(most: int) -> float:
        sizes = np.append(0, np.cumsum(np.minimum(total, most * one)))
        # Up to which page rows can reach whose first is the last one of a page.
        ends = np.searchsorted(begins, begins[1:] - 1 + most, "left").clip(max=len(values))
        return float((sizes[ends] - sizes[:-1]).max(initial=0))

    most = max(rows, 1)
    while most > 1 and reach(most) > BATCH_BYTES:
        most //= 2
    return most, reach
