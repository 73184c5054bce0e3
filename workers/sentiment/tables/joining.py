"""Parquet files of one schema become one without being read: their row groups are copied as they are.

Of their footers only the places of the row groups are changed.
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from typing import IO

from jobyard.workers.sentiment.tables.thrift import I64, LIST, STRUCT, Field, Reader, write_struct

MAGIC = b"PAR1"
TAIL = 8
COPY_BYTES = 256 << 10

# Fields of the footer's structs, by their numbers in parquet.thrift.
ROWS, ROW_GROUPS = 3, 4
COLUMNS, GROUP_OFFSET, ORDINAL = 1, 5, 7
CHUNK_OFFSET, METADATA, OFFSET_INDEX, COLUMN_INDEX = 2, 3, 4, 6
DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE, BLOOM_FILTER = 9, 10, 11, 14


class Joiner:
    """Writes one Parquet file out of others that have the same schema."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._file.write(MAGIC)
        self._at = len(MAGIC)
        self._footer: dict[int, Field] = {}
        self._groups: list[dict[int, Field]] = []
        self._rows = 0

    def append(self, source: IO[bytes], size: int) -> None:
        """All of a Parquet file that this server wrote: the first `size` bytes of `source`."""
        source.seek(size - TAIL)
        length = int.from_bytes(source.read(4), "little")
        source.seek(size - TAIL - length)
        footer = Reader(source.read(length)).struct()
        pages = size - TAIL - length - len(MAGIC)
        source.seek(len(MAGIC))
        copy(source, self._file, pages)
        for group in footer[ROW_GROUPS].value[1]:
            self._groups.append(_moved(group, self._at - len(MAGIC)))
        self._at += pages
        self._rows += footer[ROWS].value
        self._footer = self._footer or footer

    def finish(self) -> None:
        """Write the footer. There must have been a file."""
        self._footer[ROWS] = Field(I64, self._rows)
        self._footer[ROW_GROUPS] = Field(LIST, (STRUCT, self._groups))
        footer = write_struct(self._footer)
        self._file.write(footer + len(footer).to_bytes(4, "little") + MAGIC)


def copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
    """The next `size` bytes of a stream."""
    while size and (block := source.read(min(COPY_BYTES, size))):
        target.write(block)
        size -= len(block)


def _moved(group: dict[int, Field], by: int) -> dict[int, Field]:
    group = _shifted(group, [GROUP_OFFSET], by)
    group.pop(ORDINAL, None)  # optional; it could count no further than 32,767
    kind, chunks = group[COLUMNS].value
    moved = []
    for chunk in chunks:
        chunk = _shifted(chunk, [CHUNK_OFFSET, OFFSET_INDEX, COLUMN_INDEX], by)
        places = [DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE, BLOOM_FILTER]
        chunk[METADATA] = Field(STRUCT, _shifted(chunk[METADATA].value, places, by))
        moved.append(chunk)
    group[COLUMNS] = Field(LIST, (kind, moved))
    return group


def _shifted(fields: dict[int, Field], numbers: list[int], by: int) -> dict[int, Field]:
    # An offset of 0 says that there is none.
    return fields | {
        number: Field(fields[number].type, fields[number].value + by)
        for number in numbers
        if number in fields and fields[number].value
    }
