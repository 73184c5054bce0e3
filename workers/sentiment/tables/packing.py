"""Compressed files: the bytes that were packed, as a stream."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO, Protocol

from backports import zstd

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.steps import Opened, Step, Target
from jobyard.workers.sentiment.tables.window import BLOCK_BYTES

# What is read at once: little after the end of a gzip member or a zstd frame, for what is left of the piece
# is copied then, and there may be one for every 9 bytes.
LEAST_BYTES = 16 << 10
MOST_BYTES = 256 << 10

# The memory that unpacking may take: an archiver may ask for gigabytes.
MAX_MEMORY = 512 << 20
# The largest window that zstd itself can work with.
MAX_WINDOW_LOG = 31
# Of a zstd frame, its header and that of its first block.
HEADER_BYTES = 24

SUFFIXES = {".gz": "", ".zst": "", ".zstd": "", ".bz2": "", ".xz": ""} | dict.fromkeys(
    (".tgz", ".tzst", ".tbz", ".tbz2", ".txz"), ".tar"
)
ZSTD = b"\x28\xb5\x2f\xfd"
MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    ZSTD: "zstd",
    **{bytes((number, 0x2A, 0x4D, 0x18)): "zstd" for number in range(0x50, 0x60)},  # a frame to be skipped
    # With the beginning of the first block, or of the end where there is none.
    **{b"BZh%d%s" % (size, mark): "bzip2" for size in range(1, 10) for mark in (b"1AY&SY", b"\x17rE8P\x90")},
    b"\xfd7zXZ\0": "xz",
}


class Unpack(Step):
    """Of a compressed file, what was compressed."""

    def applies(self, opened: Opened, spec: SentimentSpec) -> bool:
        found = packing_of(opened.head)
        if found is not None and opened.layers and opened.layers[-1] in MAGIC.values():
            raise WorkError("the file is compressed twice; should be once")
        return found is not None

    def take(self, opened: Opened, spec: SentimentSpec, target: Target, progress: Progress) -> None:
        found = packing_of(opened.head) or ""
        with opened.path.open("rb") as stream:
            target.write(unpacked(stream, found, progress))
        opened.layers.append(found)
        before = opened.read_as.get("compression")
        opened.read_as["compression"] = found if before is None else f"{before}, {found}"
        opened.name = without_suffix(opened.name)


def packing_of(head: bytes) -> str | None:
    """What a file that begins so is compressed with; None if it isn't."""
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)


def without_suffix(name: str) -> str:
    """`reviews.csv.gz` → `reviews.csv`, `reviews.tgz` → `reviews.tar`."""
    path = PurePosixPath(name)
    inner = SUFFIXES.get(path.suffix.lower())
    return name if inner is None or not path.stem else str(path.with_suffix(inner))


def unpacked(stream: IO[bytes], packing: str, progress: Progress) -> Iterator[bytes]:
    """The blocks of what is compressed: of all members, frames or streams.

    Raises WorkError at what is truncated or broken, and where it takes too much memory.
    """
    machine, size = MACHINES[packing](), MOST_BYTES
    piece = _piece(stream, b"", size)
    while piece:
        yield from _blocks(machine, piece, packing, progress)
        if not machine.eof:
            size = min(2 * size, MOST_BYTES)
            piece = stream.read(size)
            continue
        size = LEAST_BYTES
        piece = _after_padding(stream, machine.unused_data, size, progress)
        if piece:
            if packing_of(piece) != packing:
                raise WorkError(f"the file's {packing} has other bytes after its end; should have none")
            machine = MACHINES[packing]()
    if not machine.eof:
        raise WorkError(f"the file's {packing} ends too early: it was truncated")


def _after_padding(stream: IO[bytes], held: bytes, size: int, progress: Progress) -> bytes:
    """What comes after zeros: those of tapes between gzip members, those of the format between xz streams."""
    held = held.lstrip(b"\0")
    while not held and (held := stream.read(size)):
        progress.check()
        held = held.lstrip(b"\0")
    return _piece(stream, held, size) if held else held


def _piece(stream: IO[bytes], held: bytes, size: int) -> bytes:
    """What is held, and more where that is too little to tell what it begins."""
    return held if len(held) >= HEADER_BYTES else held + stream.read(size)


class Decompressor(Protocol):
    """As those of bz2, lzma and zstd are."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def _blocks(machine: Decompressor, piece: bytes, packing: str, progress: Progress) -> Iterator[bytes]:
    """All that a piece stands for."""
    while True:
        progress.check()
        try:
            plain = machine.decompress(piece, BLOCK_BYTES)
        except MemoryError:
            raise WorkError(f"there is not enough memory to unpack the file's {packing}") from None
        except (OSError, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError) as error:
            raise WorkError(f"the file's {packing} {_reason(error)}") from None
        if plain:
            yield plain
        if machine.eof or machine.needs_input:
            return
        piece = b""


def _reason(error: Exception) -> str:
    told = str(error)
    if isinstance(error, lzma.LZMAError) and "Memory usage limit" in told:
        return f"takes over {MAX_MEMORY:,} bytes of memory to unpack; pack it anew with a dictionary of less"
    if isinstance(error, zstd.ZstdError) and "ictionary" in told:
        return "needs a dictionary; pack it anew without one"
    return "is broken: its bytes were changed"


class _Gzip:
    """A member, in the way of the other decompressors."""

    def __init__(self) -> None:
        self._machine = zlib.decompressobj(wbits=31)
        self._needs_input = True

    @property
    def needs_input(self) -> bool:
        return self._needs_input

    @property
    def eof(self) -> bool:
        return self._machine.eof

    @property
    def unused_data(self) -> bytes:
        return self._machine.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        plain = self._machine.decompress(self._machine.unconsumed_tail or data, max_length)
        self._needs_input = not self._machine.unconsumed_tail and len(plain) < max_length
        return plain


class _Zstd:
    """A frame. Its window takes memory as it fills, and is only a limit to what is unpacked before."""

    def __init__(self) -> None:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}
        self._machine = zstd.ZstdDecompressor(options=options)
        self._window: int | None = None
        self._size = 0

    @property
    def eof(self) -> bool:
        return self._machine.eof

    @property
    def needs_input(self) -> bool:
        return self._machine.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._machine.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self._window is None:
            self._window = window_of(data)
        is_hopeless = self._window > 1 << MAX_WINDOW_LOG
        plain = b"" if is_hopeless else self._machine.decompress(data, max_length)
        self._size += len(plain)
        if is_hopeless or min(self._window, self._size) > MAX_MEMORY:
            raise WorkError(
                f"the file's zstd needs a window of {self._window:,} bytes, over the {MAX_MEMORY:,} bytes "
                "of memory that it may take; pack it anew without --long: "
                f"`zstd -dc --long={MAX_WINDOW_LOG} FILE | zstd -o NEW.zst`"
            )
        return plain


def window_of(frame: bytes) -> int:
    """How many bytes back a zstd frame refers; 0 where its header does not say, as in a frame to be skipped.

    https://github.com/facebook/zstd/blob/dev/doc/zstd_compression_format.md
    """
    if len(frame) < HEADER_BYTES or not frame.startswith(ZSTD):
        return 0
    flags = frame[4]
    if not flags & 0x20:
        base = 1 << 10 + (frame[5] >> 3)
        return base + base // 8 * (frame[5] & 7)
    begin = 5 + (0, 1, 2, 4)[flags & 3]
    return int.from_bytes(frame[begin : begin + (1, 2, 4, 8)[flags >> 6]], "little")


MACHINES: dict[str, Callable[[], Decompressor]] = {
    "gzip": _Gzip,
    "zstd": _Zstd,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_MEMORY),
}
