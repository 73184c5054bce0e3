"""Archives and folders from outside, member by member: hostile until proven otherwise.

Nothing is ever extracted to a path that an archive names. A member that no honest archive of pictures
has (a path that leads out, a link, a device) refuses the whole archive.
"""

import bz2
import gzip
import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from jobyard.shared.archives.folders import walk_folder
from jobyard.shared.archives.members import DAMAGED, Member, printable, reason, too_large
from jobyard.shared.errors import WorkError

# No xz: its header may ask for 4 GiB of memory, and the standard library can't set a limit.
MAX_MEMBERS = 500_000
# Of one file in the archive. Pillow's memory for a picture is limited by its pixels, not by this.
MAX_FILE_BYTES = 128 * 1024**2
# What zipfile and tarfile may read at once: they hold a zip's directory, and each tar header, in memory.
MAX_DIRECTORY_BYTES = 64 * 1024**2
MAX_HEADER_BYTES = 1024**2
# The longest path that makes sense, in characters.
MAX_NAME = 4_096

NOT_AN_ARCHIVE = "the file should be a zip or tar archive (tar may be compressed by gzip or bzip2)"


def walk(source: Path, max_bytes: int) -> Iterator[Member]:
    """The members of the archive or folder `source`, in an order that is the same each time.

    Raises WorkError if `source` is not an archive or folder, is damaged as a whole, is hostile, or
    declares more than `max_bytes`. The reader has to count what the members really hold.
    """
    unpacked = 0
    for count, member in enumerate(_members(source, max_bytes), 1):
        if count > MAX_MEMBERS:
            raise WorkError(f"the archive should have at most {MAX_MEMBERS:,} members")
        if member.size > MAX_FILE_BYTES:
            raise WorkError(
                f"{member.name!r} is too large ({member.size:,} bytes); "
                f"a picture should have at most {MAX_FILE_BYTES:,}"
            )
        unpacked += member.size
        if unpacked > max_bytes:
            raise too_large(max_bytes)
        yield member


def _members(source: Path, max_bytes: int) -> Iterator[Member]:
    if source.is_dir():
        return walk_folder(source)
    try:
        with source.open("rb") as file:
            head = file.read(6)
    except OSError as error:
        raise WorkError(f"{printable(str(source))} can't be read: {error.strerror or error}") from None
    if not head:
        raise WorkError(f"the file is empty; {NOT_AN_ARCHIVE.removeprefix('the file ')}")
    if head.startswith(b"PK"):
        return _walk_zip(source)
    for magic, opener in DECOMPRESSORS.items():
        if head.startswith(magic):
            return _walk_tar(source, opener, max_bytes)
    return _walk_tar(source, lambda path: path.open("rb"), max_bytes)


def _gzip(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path))


def _bzip2(path: Path) -> IO[bytes]:
    return bz2.open(path)


DECOMPRESSORS: dict[bytes, Callable[[Path], IO[bytes]]] = {
    b"\x1f\x8b": _gzip,
    b"BZh": _bzip2,
}


def _parts(name: str) -> tuple[str, ...]:
    """The names on an archive's path. Raises WorkError if the path leads, or could lead, out."""
    path = name.replace("\\", "/")  # as written by some Windows programs
    if len(path) > MAX_NAME:
        raise WorkError(f"{printable(name)!r}: the path is longer than {MAX_NAME:,} characters")
    if path.startswith("/") or re.match("[A-Za-z]:", path):
        raise WorkError(f"{printable(name)!r}: the archive should have no absolute paths")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts:
        raise WorkError(f"{printable(name)!r}: the archive should have no paths with '..'")
    return parts


class _Guarded:
    """A file that refuses to be read in pieces over `most` bytes, or at a place over `end`.

    zipfile and tarfile read as much as the archive declares: this bounds their memory.
    """

    def __init__(self, file: IO[bytes], most: int, end: int | None = None) -> None:
        self._file = file
        self._most = most
        self._end = end
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._most + 1 if size < 0 else min(size, self._most + 1))
        if len(data) > self._most:
            raise WorkError(f"the archive is damaged, or has too many members (at most {MAX_MEMBERS:,})")
        if self._end is not None and self._file.tell() > self._end:
            raise too_large(self._end)
        self.last = data
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _walk_zip(source: Path) -> Iterator[Member]:
    with source.open("rb") as file:
        try:
            archive = zipfile.ZipFile(cast(IO[bytes], _Guarded(file, MAX_DIRECTORY_BYTES)))
        except DAMAGED as error:
            raise WorkError(f"the zip archive is truncated or damaged: {reason(error)}") from None
        with archive:
            for info in archive.infolist():
                parts = _parts(info.filename)
                kind = stat.S_IFMT(info.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise WorkError(
                        f"{printable(info.filename)!r}: the archive should have no links or devices"
                    )
                if info.flag_bits & 0x1:
                    raise WorkError(f"{printable(info.filename)!r}: the archive should not be encrypted")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
                    raise WorkError(
                        f"{printable(info.filename)!r}: compression method {info.compress_type} is not "
                        "supported; should be deflate"
                    )
                if parts:
                    folder = info.is_dir() or info.filename.endswith("\\")
                    yield Member(parts, folder, info.file_size, _zip_opener(archive, info))


def _zip_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(info)


def _walk_tar(source: Path, opener: Callable[[Path], IO[bytes]], max_bytes: int) -> Iterator[Member]:
    with opener(source) as file:
        guarded = _Guarded(file, MAX_HEADER_BYTES, max_bytes + MAX_HEADER_BYTES)
        try:
            archive = tarfile.TarFile.open(fileobj=cast(IO[bytes], guarded), mode="r:")
        except EOFError:
            raise WorkError("the tar archive is truncated") from None
        except DAMAGED:
            raise WorkError(NOT_AN_ARCHIVE) from None
        while True:
            with _whole_archive():
                info = archive.next()
            if info is None:
                break
            cast(Any, archive).members = []  # tarfile would keep every member in memory
            parts = _parts(info.name)
            if not (info.isreg() or info.isdir()):
                raise WorkError(f"{printable(info.name)!r}: the archive should have no links or devices")
            if parts:
                yield Member(parts, info.isdir(), info.size, _tar_opener(archive, info))
        # tarfile takes a broken or missing header for the end; the real end is a block of zeros.
        if guarded.last != bytes(tarfile.BLOCKSIZE):
            raise WorkError("the tar archive is truncated or damaged")


@contextmanager
def _whole_archive() -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise WorkError(f"the tar archive is truncated or damaged: {reason(error)}") from None


def _tar_opener(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
    def open_member() -> IO[bytes]:
        file = archive.extractfile(info)
        assert file is not None  # noqa: S101 (only links and folders have none)
        return file

    return open_member
