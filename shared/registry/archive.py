"""The zip of a data set, which the importer wrote: pictures are found without holding all names in memory.

Of an uploaded zip, which says what it likes, those pictures are found that are stored as in a data set's.

Half a million names cost zipfile 300 MB, for each thumbnail. Members are stored, and sorted by their names.
APPNOTE.TXT 6.3.10, 4.3.
"""

import re
import struct
from collections.abc import Iterator
from itertools import islice
from typing import IO, NamedTuple

from jobyard.shared.errors import NotFound

BLOCK_BYTES = 1 << 20
ENTRY = struct.Struct("<4s6xH8x2LHHH8xL")
ENTRY_SIGN, LOCAL_SIGN, END_SIGN = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
# The longest entry: its fields, a name, and the one extra field that the importer writes.
MAX_ENTRY = ENTRY.size + 65_535 + 64
STORED = 0
# "Look into the ZIP64 field."
ELSEWHERE = 0xFFFFFFFF


DAMAGED = "the data set's archive is damaged"


class _Entry(NamedTuple):
    name: str
    size: int
    offset: int
    end: int


class DatasetArchive:
    """Reads pictures by their place, `train/cats/1.jpg`, from a file that can be sought."""

    def __init__(self, file: IO[bytes]) -> None:
        """Raises NotFound if the file is no such zip."""
        self._file = file
        try:
            self._start, self._end = self._directory()
        except (struct.error, OSError, ValueError):
            raise NotFound(DAMAGED) from None

    def read(self, place: str, most: int) -> bytes:
        """A picture of at most so many bytes. Raises NotFound if there is none at that place."""
        entry = next(self._from(place.encode()), None)
        if entry is not None and entry.name == place and entry.size <= most:
            self._file.seek(entry.offset)
            sign, name, extra = struct.unpack("<4s22xHH", self._file.read(30))
            if sign == LOCAL_SIGN:
                self._file.seek(name + extra, 1)
                return self._file.read(entry.size)
        raise NotFound(f"the data set has no picture {place!r}")

    def first(self, folder: str, count: int) -> list[str]:
        """The first places in a folder, `train/cats/`."""
        entries = islice(self._from(folder.encode()), count)
        return [entry.name for entry in entries if entry.name.startswith(folder)]

    def _directory(self) -> tuple[int, int]:
        """Where the list of members starts and ends."""
        at = self._file.seek(-22, 2)
        length = at + 22
        sign, size, start = struct.unpack("<4s8xLL2x", self._file.read(22))
        if sign != END_SIGN:
            raise ValueError
        if ELSEWHERE in (size, start):
            self._file.seek(at - 20)
            (place,) = struct.unpack("<8xQ4x", self._file.read(20))
            self._file.seek(min(place, length))
            size, start = struct.unpack("<40xQQ", self._file.read(56))
        if start + size > length:  # an upload may say anything
            raise ValueError
        return start, start + size

    def _from(self, begin: bytes) -> Iterator[_Entry]:
        """The members from the first one on whose name begins so."""
        at, block = self._start, b""
        rest = b".{%d}" % (ENTRY.size - len(ENTRY_SIGN))
        entry = re.compile(re.escape(ENTRY_SIGN) + rest + re.escape(begin), re.DOTALL)
        while at < self._end:
            self._file.seek(at)
            block = self._file.read(min(BLOCK_BYTES + MAX_ENTRY, self._end - at))
            if (found := entry.search(block)) is not None:
                yield from self._entries(at + found.start())
                return
            at += BLOCK_BYTES

    def _entries(self, at: int) -> Iterator[_Entry]:
        while at < self._end:
            self._file.seek(at)
            entry = _entry(self._file.read(min(MAX_ENTRY, self._end - at)), at)
            yield entry
            at = entry.end


def _entry(data: bytes, at: int) -> _Entry:
    try:
        sign, method, _, size, name_length, extra_length, comment_length, offset = ENTRY.unpack_from(data)
        end = ENTRY.size + name_length
        if offset == ELSEWHERE:  # sizes are never so large: the place is all that the field holds
            (offset,) = struct.unpack_from("<4xQ", data, end)
    except struct.error:
        raise NotFound(DAMAGED) from None
    if sign != ENTRY_SIGN or method != STORED:
        raise NotFound(DAMAGED)
    name = data[ENTRY.size : end].decode(errors="replace")
    return _Entry(name, size, offset, at + end + extra_length + comment_length)
