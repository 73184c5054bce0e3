"""The pages of Parquet, of which a few bytes can stand for terabytes.

A batch has so few rows that it can't be large, whatever they are. How few is found out beforehand, from the
headers of all pages and the values of all dictionaries.
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from collections.abc import Callable
from typing import IO, Any

import numpy as np
import pyarrow as pa

from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.footer import Chunk, RowGroup
from jobyard.workers.sentiment.tables.thrift import Reader, Wanted

# Of a batch in memory, of a page, and of a row group's column of lists: these are bounded as a whole.
BATCH_BYTES = 48_000_000
MAX_PAGE = 64_000_000
MAX_NESTED = 200_000_000
MAX_PAGES = 1_000_000
# Of all columns together: of a batch, and of what is unpacked to read it. Writers make pages and dictionaries
# of a megabyte.
MAX_BATCH = 4 * BATCH_BYTES
MAX_HELD = 500_000_000
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


def bytes_of(data: Any) -> Any:
    """As the compiled loops have them: they would be compiled once more for bytes that can be written to."""
    found = np.frombuffer(data, np.uint8)
    found.setflags(write=False)
    return found


class Pages:
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
        return int(kernels.longest_of(bytes_of(data)))


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
