"""The footer of a Parquet file: where its pages are, and what must not be left to Arrow.

PyArrow's metadata ends the process where a footer is not as it expects it: its accessors let C++ exceptions
through. So nothing is asked of them that a file could say wrongly.
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.thrift import BINARY, I32, I64, LIST, STRUCT, Field, Reader, Wanted

MAGIC = b"PAR1"
ENCRYPTED_MAGIC = b"PARE"
TAIL = 8
MAX_FOOTER = 100_000_000
ENCRYPTED = "the file is encrypted Parquet; should not be encrypted"

# Fields of the footer's structs, by their numbers in parquet.thrift.
ROWS, ROW_GROUPS = 3, 4
COLUMNS, GROUP_BYTES, GROUP_ROWS = 1, 2, 3
METADATA, CRYPTO, ENCRYPTED_METADATA = 3, 8, 9
TYPE, PATH, CODEC, VALUES, PACKED, DATA_PAGE, DICTIONARY_PAGE = 1, 3, 4, 5, 7, 9, 11

_OF_METADATA: Wanted = dict.fromkeys((TYPE, PATH, CODEC, VALUES, PACKED, DATA_PAGE, DICTIONARY_PAGE))
_OF_CHUNK: Wanted = {METADATA: _OF_METADATA, CRYPTO: None, ENCRYPTED_METADATA: None}
WANTED: Wanted = {ROWS: None, ROW_GROUPS: {COLUMNS: _OF_CHUNK, GROUP_BYTES: None, GROUP_ROWS: None}}

TYPES = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
# By their numbers, as `pyarrow.Codec` calls them. The first LZ4 is that of Hadoop, which may have frames.
CODECS = ("none", "snappy", "gzip", "lzo", "brotli", "lz4_raw", "zstd", "lz4_raw")


class Chunk(NamedTuple):
    """A column of a row group: its pages are the bytes from `start` to `end`."""

    name: str
    type: str
    codec: str
    start: int
    end: int


class RowGroup(NamedTuple):
    rows: int
    bytes: int
    chunks: list[Chunk]


def read_footer(stream: IO[bytes], progress: Progress) -> list[RowGroup]:
    """The row groups of a file. Raises WorkError for encrypted columns, and for what is no footer."""
    size = stream.seek(0, 2)
    stream.seek(max(size - TAIL, 0))
    tail = stream.read(TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] == ENCRYPTED_MAGIC:
        raise WorkError(ENCRYPTED)
    if tail[4:] != MAGIC:
        raise WorkError("the file is broken Parquet: it has no footer; it may have been truncated")
    if length > size - TAIL - len(MAGIC):
        raise WorkError("the file is broken Parquet: its footer is longer than the file")
    if length > MAX_FOOTER:
        raise WorkError(f"the file's footer has {length:,} bytes; should have at most {MAX_FOOTER:,}")
    stream.seek(size - TAIL - length)
    try:
        footer = Reader(stream.read(length)).struct(WANTED)
        found = list(_groups(footer, size, progress))
        if footer[ROWS].value != sum(group.rows for group in found):
            raise ValueError("its row groups have other numbers of rows than it says")
    except KeyError as error:
        raise WorkError(f"the file is broken Parquet: its footer lacks field {error}") from None
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise WorkError(f"the file is broken Parquet: its footer can't be read ({error})") from None
    return found


def _groups(footer: dict[int, Field], size: int, progress: Progress) -> Iterator[RowGroup]:
    for group in _list(footer, ROW_GROUPS):
        progress.check()
        chunks = [_chunk(chunk, size) for chunk in _list(group, COLUMNS)]
        rows = _number(group, GROUP_ROWS, I64)
        unpacked = _number(group, GROUP_BYTES, I64)
        if rows < 0 or unpacked < 0:
            raise ValueError("a row group has a negative size")
        yield RowGroup(rows, unpacked, chunks)


def _chunk(chunk: dict[int, Field], size: int) -> Chunk:
    if CRYPTO in chunk or ENCRYPTED_METADATA in chunk:
        raise WorkError(ENCRYPTED)
    metadata = _typed(chunk, METADATA, STRUCT)
    start = _number(metadata, DATA_PAGE, I64)
    if DICTIONARY_PAGE in metadata and 0 < (first := _number(metadata, DICTIONARY_PAGE, I64)) < start:
        start = first
    end = start + _number(metadata, PACKED, I64)
    if not 0 <= start <= end <= size:
        raise ValueError("a column lies outside the file")
    _number(metadata, VALUES, I64)
    return Chunk(
        b".".join(_list(metadata, PATH, BINARY)).decode(errors="replace"),
        TYPES[_index(metadata, TYPE)],
        CODECS[_index(metadata, CODEC)],
        start,
        end,
    )


def _typed(fields: dict[int, Field], number: int, kind: int) -> Any:
    found = fields[number]
    if found.type != kind:
        raise ValueError(f"field {number} has another type")
    return found.value


def _number(fields: dict[int, Field], number: int, kind: int) -> int:
    return int(_typed(fields, number, kind))


def _index(fields: dict[int, Field], number: int) -> int:
    found = _number(fields, number, I32)
    if found < 0:
        raise ValueError(f"field {number} is negative")
    return found


def _list(fields: dict[int, Field], number: int, kind: int = STRUCT) -> list[Any]:
    item, items = _typed(fields, number, LIST)
    if items and item != kind:
        raise ValueError(f"field {number} is a list of another type")
    return list(items)
