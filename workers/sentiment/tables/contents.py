"""What a file is, by its content more than by its name; and its plain bytes, if it is packed or not UTF-8."""

import codecs
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

import pyarrow as pa
from pydantic_core import from_json

from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.delimited import Delimited
from jobyard.workers.sentiment.tables.lines import JsonLines, Lines
from jobyard.workers.sentiment.tables.parquet import ParquetTable
from jobyard.workers.sentiment.tables.table import DEFAULT_COLUMN, Table
from jobyard.workers.sentiment.tables.window import BLOCK_BYTES

HEAD_BYTES = 64 << 10
# Of gzip that are unpacked at once. zlib copies what is left of them after each member: there may be
# a member for every 20 bytes.
GZIP_BYTES = 16 << 10
UTF_8 = "utf-8"
BOM = codecs.BOM_UTF8

PACKED_SUFFIXES = (".gz", ".zst", ".zstd")
PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
PARQUET = b"PAR1"
OTHERS = {
    b"PARE": "the file is encrypted Parquet; should not be encrypted",
    b"BZh": "the file is compressed (bzip2); should be gzip, zstd or not compressed",
    b"\xfd7zXZ": "the file is compressed (xz); should be gzip, zstd or not compressed",
    b"PK\x03\x04": "the file is a zip archive or a workbook; should be CSV, JSONL, Parquet or plain text",
}
WIDE = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def refuse(head: bytes, encoding: str) -> None:
    """Raises WorkError for a file that begins as one does that can't be read, or not in that encoding."""
    for magic, message in OTHERS.items():
        if head.startswith(magic):
            raise WorkError(message)
    if not encoding.startswith(("utf-16", "utf-32")):
        for bom, wide in WIDE.items():
            if head.startswith(bom):
                raise WorkError(f'the file is {wide.upper()}; `encoding` should be "{wide}"')


def kind_of(head: bytes, name: str, *, column: bool) -> str:
    """The kind of table ("csv", "tsv", "jsonl", "lines", "parquet") whose first bytes these are.

    `name` decides where they don't, and where that doesn't either: CSV or TSV if a column was asked for
    or the first line names a column of texts, else lines. Raises WorkError for what can't be read.
    """
    if head.startswith(PARQUET):
        return "parquet"
    start = head.removeprefix(BOM).lstrip()
    if not start and len(head) < HEAD_BYTES:
        raise WorkError("the file is empty")
    suffix = _suffix(name)
    if suffix == ".parquet":
        raise WorkError("the file is called .parquet but is not Parquet")
    if suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    if suffix == ".json" and not start.startswith(b"{"):
        raise WorkError("line 1: should be JSON lines, one object per line, and not one array")
    line = start.split(b"\n", 1)[0]
    if suffix == ".txt":
        return "lines"
    if _is_object(line, is_whole=len(line) < len(start)) or (
        suffix not in (".csv", ".tsv") and start.startswith(b"{")
    ):
        return "jsonl"
    return _by_first_line(line, suffix, column=column)


def _by_first_line(line: bytes, suffix: str, *, column: bool) -> str:
    tabs, commas = line.count(b"\t"), line.count(b",")
    if suffix == ".tsv":
        return "tsv" if tabs or not commas else "csv"
    kind = "tsv" if tabs and not commas else "csv"
    names = line.strip().replace(b'"', b"").split(b"\t" if kind == "tsv" else b",")
    is_header = len(names) > 1 and DEFAULT_COLUMN.encode() in names
    return kind if suffix == ".csv" or column or is_header else "lines"


def open_table(kind: str, columns: list[str], wanted: list[str] | None = None) -> Table:
    """A table of that kind, whose columns are known. `wanted`: see `JsonLines`."""
    match kind:
        case "parquet":
            return ParquetTable(columns)
        case "jsonl":
            return JsonLines(columns, wanted)
        case "lines":
            return Lines()
        case _:
            return Delimited(kind, columns)


def head_of(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read(HEAD_BYTES)


def is_plain(head: bytes, encoding: str) -> bool:
    """Whether a file that begins so can be read where it is: it is not compressed, and UTF-8 or Parquet."""
    return not _packing(head) and (encoding in (UTF_8, "utf-8-sig") or head.startswith(PARQUET))


def unpack(source: Path, copy: Path, encoding: str, limit: int, progress: Progress, room: Room) -> None:
    """Write the plain bytes of `source` to `copy`: uncompressed, and as UTF-8 unless they are Parquet.

    Raises WorkError at what is truncated or broken, not in that encoding, or over `limit` bytes, and what
    `room` raises, which the copy takes.
    """
    with source.open("rb") as stream, copy.open("wb") as target:
        packing = _packing(head_of(stream))
        stream.seek(0)
        if packing:
            blocks = _UNPACKING[packing](stream, progress)
        else:
            blocks = iter(lambda: stream.read(BLOCK_BYTES), b"")
        first = next(blocks, b"")
        while blocks and len(first) < len(PARQUET) and (more := next(blocks, b"")):
            first += more
        if packing and _packing(first):
            raise WorkError("the file is compressed twice; should be once")
        if encoding in (UTF_8, "utf-8-sig") or first.startswith(PARQUET):
            decoder = None
        else:
            decoder = codecs.getincrementaldecoder(encoding)()
        size = lines = 0
        for block in _chain(first, blocks):
            progress.check()
            plain = block if decoder is None else _decoded(decoder, block, encoding, lines)
            size += len(plain)
            lines += plain.count(b"\n")
            if size > limit:
                raise WorkError(f"the file unpacks to over {limit:,} bytes; should unpack to fewer")
            room.take(len(plain))
            target.write(plain)
        if decoder is not None:
            target.write(_decoded(decoder, b"", encoding, lines))


def _chain(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def _decoded(decoder: codecs.IncrementalDecoder, block: bytes, encoding: str, lines: int) -> bytes:
    try:
        return decoder.decode(block, final=not block).encode()
    except UnicodeError as error:  # decoders of odd sizes raise UnicodeError itself
        at = block.count(b"\n", 0, error.start) if isinstance(error, UnicodeDecodeError) else 0
        raise WorkError(
            f"line {lines + at + 1}: is not {encoding}; `encoding` should be that of the file"
        ) from None


def _gunzipped(stream: IO[bytes], progress: Progress) -> Iterator[bytes]:
    """All members. Raises WorkError."""
    machine = zlib.decompressobj(wbits=31)
    block = stream.read(GZIP_BYTES)
    while block:
        progress.check()
        try:
            plain = machine.decompress(block, BLOCK_BYTES)
        except zlib.error:
            raise WorkError("the file's gzip is broken: its bytes were changed, or it is not gzip") from None
        if plain:
            yield plain
        if machine.eof:
            block = (machine.unused_data or stream.read(GZIP_BYTES)).lstrip(b"\0")  # padding of tapes
            if block:
                machine = zlib.decompressobj(wbits=31)
        else:
            block = machine.unconsumed_tail or stream.read(GZIP_BYTES)
    if not machine.eof:
        raise WorkError("the file's gzip ends too early: it was truncated")


class _Checked:
    """A stream that checks for a cancel: many frames may be empty, and nothing be unpacked for long."""

    def __init__(self, stream: IO[bytes], progress: Progress) -> None:
        self._stream = stream
        self._progress = progress
        self.closed = False

    def read(self, size: int) -> bytes:
        self._progress.check()
        return self._stream.read(size)

    def close(self) -> None:
        self.closed = True


def _unzstd(stream: IO[bytes], progress: Progress) -> Iterator[bytes]:
    """All frames. Raises WorkError."""
    try:
        checked = pa.PythonFile(_Checked(stream, progress), "r")
        with pa.CompressedInputStream(checked, "zstd") as plain:
            while block := plain.read(BLOCK_BYTES):
                yield block
    except OSError as error:
        is_cut = "Truncated" in str(error)
        reason = "ends too early: it was truncated" if is_cut else "is broken: its bytes were changed"
        raise WorkError(f"the file's zstd {reason}") from None


_UNPACKING = {"gzip": _gunzipped, "zstd": _unzstd}


def _packing(head: bytes) -> str | None:
    return next((name for magic, name in PACKED.items() if head.startswith(magic)), None)


def _suffix(name: str) -> str:
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix in PACKED_SUFFIXES else path.suffix


def _is_object(line: bytes, *, is_whole: bool) -> bool:
    """Whether a line is a JSON object. False for one that is cut off."""
    try:
        return line.startswith(b"{") and is_whole and isinstance(from_json(line), dict)
    except ValueError:
        return False
