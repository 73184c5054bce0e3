"""Compressed files: the bytes that were packed, as a stream."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO

import pyarrow as pa

from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.window import BLOCK_BYTES

# Of gzip that are unpacked at once. zlib copies what is left of them after each member: there may be
# a member for every 20 bytes.
GZIP_BYTES = 16 << 10

SUFFIXES = (".gz", ".zst", ".zstd")
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def packing_of(head: bytes) -> str | None:
    """What a file that begins so is compressed with; None if it isn't."""
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)


def without_suffix(name: str) -> str:
    """`reviews.csv.gz` → `reviews.csv`."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES and path.stem else name


def unpacked(stream: IO[bytes], packing: str, progress: Progress) -> Iterator[bytes]:
    """The blocks of what is compressed. Raises WorkError at what is truncated or broken."""
    return _UNPACKING[packing](stream, progress)


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


_UNPACKING: dict[str, Callable[[IO[bytes], Progress], Iterator[bytes]]] = {
    "gzip": _gunzipped,
    "zstd": _unzstd,
}
