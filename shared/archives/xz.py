"""Unpacking xz within a limit of memory: a header may ask for 4 GiB, which the standard library grants."""

import io
import lzma
import os
from typing import IO

# `xz -9` asks for 65 MiB.
MAX_MEMORY_BYTES = 128 * 1024**2
PIECE = 64 * 1024


def open_xz(packed: IO[bytes]) -> io.BufferedReader:
    """The unpacked bytes, from the beginning of `packed`.

    Reading raises lzma.LZMAError for what is damaged or asks for too much, and EOFError.
    """
    return io.BufferedReader(_Unpacked(packed))


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of one or more streams."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._unpacker = _unpacker()
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """From the file's beginning, or from here; backwards all is unpacked again."""
        if whence == os.SEEK_END:
            raise io.UnsupportedOperation("the end is not known")
        target = offset + (self._position if whence == os.SEEK_CUR else 0)
        if target < self._position:
            self._packed.seek(0)
            self._unpacker = _unpacker()
            self._position = 0
        while self._position < target:
            data = self._read(min(target - self._position, PIECE))
            if not data:
                break
            self._position += len(data)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read(self, size: int) -> bytes:
        while size:
            if self._unpacker.eof:
                rest = (self._unpacker.unused_data or self._packed.read(PIECE)).lstrip(b"\0")
                if not rest:
                    return b""
                self._unpacker = _unpacker()
                data = self._unpacker.decompress(rest, size)
            else:
                piece = self._packed.read(PIECE) if self._unpacker.needs_input else b""
                if self._unpacker.needs_input and not piece:
                    raise EOFError("it ends too early")
                data = self._unpacker.decompress(piece, size)
            if data:
                return data
        return b""


def _unpacker() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_MEMORY_BYTES)
