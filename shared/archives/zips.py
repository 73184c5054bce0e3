"""Zip archives. A zip says itself how many members it has and how long they are: none of it is believed."""

import bz2
import copy
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, cast

from jobyard.shared.archives import limits
from jobyard.shared.archives.guarded import Guarded
from jobyard.shared.archives.members import DAMAGED, Member, printable, reason
from jobyard.shared.archives.paths import split_path
from jobyard.shared.archives.zip_names import names_of
from jobyard.shared.errors import WorkError

# The list of members, which zipfile holds in memory: some hundred bytes for each.
MAX_DIRECTORY_BYTES = 64 * 1024**2
# Where the record is that says where that list is: 22 bytes, and a comment of less than 64 KiB.
MAX_TAIL_BYTES = 128 * 1024

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
# How an entry of the list begins, and the record at its end that counts them (APPNOTE, 4.3.12 and 4.3.14).
ENTRY = b"PK\x01\x02"
END_OF_ZIP64 = b"PK\x06\x06"
COUNT_OF_ZIP64 = struct.Struct("<32xQ")

PIECE = 256 * 1024


class _Guarded(Guarded):
    """A zip file for zipfile, which makes an object of each entry however many there are.

    So the number is bounded before: by what the record at the end says, which comes first, and by
    what the list of members holds, since the record may lie.
    """

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise WorkError(f"the zip archive is damaged, or has over {limits.MAX_MEMBERS:,} members")
        data = self._file.read(size if size >= 0 else MAX_TAIL_BYTES)
        if data.startswith(END_OF_ZIP64) and len(data) >= COUNT_OF_ZIP64.size:
            (count,) = COUNT_OF_ZIP64.unpack_from(data)
        else:
            count = data.count(ENTRY) if data.startswith(ENTRY) else 0
        if count > limits.MAX_MEMBERS:
            raise limits.too_many()
        return data


def open_zip(file: IO[bytes]) -> zipfile.ZipFile:
    """Read the list of members. Raises WorkError where it is damaged or too long, or members overlap."""
    try:
        archive = zipfile.ZipFile(cast(IO[bytes], _Guarded(file)))
    except DAMAGED as error:
        raise WorkError(f"the zip archive is truncated or damaged: {reason(error)}") from None
    # A bomb of few bytes has many members that are the same bytes, or lie in each other.
    if sum(info.compress_size for info in archive.infolist()) > file.seek(0, os.SEEK_END):
        raise WorkError("the zip archive has members that overlap; each should have bytes of its own")
    return archive


def walk_zip(file: IO[bytes]) -> Iterator[Member]:
    """The members in the order of their list. Raises WorkError as `walk` says."""
    with open_zip(file) as archive:
        infos = archive.infolist()
        for info, name in zip(infos, names_of(infos), strict=True):
            parts = split_path(name.text)
            check_member(info)
            if parts:
                folder = name.text.endswith(("/", "\\"))
                open_file = _opener(archive, info)
                yield Member(parts, folder, info.file_size, open_file, page=name.page, doubt=name.doubt)


def check_member(info: zipfile.ZipInfo) -> None:
    """Raises WorkError for a link or a device, an encrypted member, and one that is packed in a rare way."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise WorkError(
            f"{printable(info.filename)!r}: the archive should have no links or devices; zip what links lead "
            "to"
        )
    if info.flag_bits & 0x1:
        raise WorkError(f"{printable(info.filename)!r}: the archive should not be encrypted")
    if info.compress_type not in METHODS:
        raise WorkError(
            f"{printable(info.filename)!r}: compression method {info.compress_type} is not "
            "supported; should be deflate"
        )


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: open_member(archive, info)


def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """A member's bytes, to be read in pieces: zipfile unpacks to memory what one call may return."""
    if info.compress_type != zipfile.ZIP_BZIP2:
        return archive.open(info)
    # Of bzip2 it unpacks all that it reads at once: 4 kB may be gigabytes. So it only passes on the packed
    # bytes, without the checksum, which is of the others; bzip2 has one of its own.
    packed = copy.copy(info)
    packed.compress_type = zipfile.ZIP_STORED
    packed.file_size = info.compress_size
    del packed.CRC
    return bz2.BZ2File(archive.open(packed))


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member's bytes, no more than the list says. Raises one of DAMAGED, also where there are more."""
    content = bytearray()
    with open_member(archive, info) as file:
        while piece := file.read(PIECE):
            content += piece
            if len(content) > info.file_size:
                raise zipfile.BadZipFile(f"it has more than the {info.file_size:,} bytes that it says")
    return bytes(content)
