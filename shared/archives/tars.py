"""Tar archives, perhaps compressed: a stream in which each member's headers come before its bytes."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import IO, Any, cast

from jobyard.shared.archives.guarded import Guarded
from jobyard.shared.archives.limits import too_large
from jobyard.shared.archives.members import DAMAGED, Member, printable, reason
from jobyard.shared.archives.paths import split_path
from jobyard.shared.archives.xz import open_xz
from jobyard.shared.errors import WorkError
from jobyard.shared.pictures.other_formats import other_format

# Of one member's headers, and of all members' on average: tarfile holds them in memory, however long and many
# they are. An honest member has one of 512 bytes, and perhaps some more for a long name.
MAX_HEADER_BYTES = 256 * 1024
MEAN_HEADER_BYTES = 8 * 1024
# Headers that hold for all members after them stay in memory.
MAX_GLOBAL_HEADERS = 32

NOT_AN_ARCHIVE = "the file should be a zip or tar archive (tar may be compressed by gzip, bzip2 or xz)"


class _Guarded(Guarded):
    """A tar file for tarfile, which reads headers however long they are, and skips whatever they say.

    It refuses headers over the limits, and to be at a place over `end`.
    """

    def __init__(self, file: IO[bytes], end: int) -> None:
        super().__init__(file)
        self._end = end
        self._allowed = MAX_HEADER_BYTES
        self._in_headers = False
        self.last = b""

    @contextmanager
    def headers(self) -> Iterator[None]:
        """Inside, what is read are the headers of one member."""
        self._allowed = min(self._allowed + MEAN_HEADER_BYTES, MAX_HEADER_BYTES)
        self._in_headers = True
        try:
            yield
        finally:
            self._in_headers = False

    def read(self, size: int = -1) -> bytes:
        if self._in_headers:
            self._allowed -= size
            if size < 0 or self._allowed < 0:
                raise WorkError(
                    "the archive is damaged, or has headers that are too long; should have at most "
                    f"{MEAN_HEADER_BYTES:,} bytes of them for each file"
                )
        data = self._file.read(size)
        if self._file.tell() > self._end:
            raise too_large(self._end)
        if self._in_headers:
            self.last = data
        return data


DECOMPRESSORS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": open_xz,
}
# What people send besides, by its first bytes.
OTHERS: dict[bytes, str] = {
    b"Rar!": "a RAR archive: unpack it, and give the folder or a zip of it",
    b"7z\xbc\xaf": "a 7-Zip archive: unpack it, and give the folder or a zip of it",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: unpack it first",
    b"\x1f\x9d": "compressed by compress: unpack it first",
    b"PAR1": "a Parquet file",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"RIFF": "a picture",
}


def walk_tar(packed: IO[bytes], head: bytes, max_bytes: int) -> Iterator[Member]:
    """The members in their order; `head` has the first bytes of the file. Raises WorkError as `walk` says."""
    opener = next((found for magic, found in DECOMPRESSORS.items() if head.startswith(magic)), nullcontext)
    with opener(packed) as file:
        guarded = _Guarded(file, max_bytes + MAX_HEADER_BYTES)
        try:
            with guarded.headers():
                archive = tarfile.TarFile.open(fileobj=cast(IO[bytes], guarded), mode="r:")
        except EOFError:
            raise WorkError("the tar archive is truncated") from None
        except lzma.LZMAError as error:
            raise WorkError(f"the tar archive can't be unpacked: {reason(error)}") from None
        except DAMAGED:
            raise WorkError(_not_an_archive(head)) from None
        while (info := _next(archive, guarded)) is not None:
            parts = split_path(info.name)
            if not (info.isreg() or info.isdir()):
                raise WorkError(
                    f"{printable(info.name)!r}: the archive should have no links or devices; "
                    "`tar --dereference --hard-dereference` packs what links lead to"
                )
            if info.issparse():
                raise WorkError(f"{printable(info.name)!r}: the archive should have no sparse files")
            if info.isreg() and not _is_whole(archive, info):
                raise WorkError(f"{printable(info.name)!r}: the archive is damaged: two sizes of one file")
            if parts:
                yield Member(parts, info.isdir(), info.size, _opener(archive, info))
        # tarfile takes a broken or missing header for the end; the real end is a block of zeros.
        if guarded.last != bytes(tarfile.BLOCKSIZE):
            raise WorkError("the tar archive is truncated or damaged")


def _not_an_archive(head: bytes) -> str:
    """What the file is, if that is known, and what it should be."""
    found = next((name for magic, name in OTHERS.items() if head.startswith(magic)), None)
    if found is None and (other := other_format(head)) is not None:
        found = other[0]
    return NOT_AN_ARCHIVE if found is None else f"{NOT_AN_ARCHIVE}, but is {found}"


def _next(archive: tarfile.TarFile, guarded: _Guarded) -> tarfile.TarInfo | None:
    try:
        with guarded.headers():
            info = archive.next()
    except DAMAGED as error:
        raise WorkError(f"the tar archive is truncated or damaged: {reason(error)}") from None
    cast(Any, archive).members = []  # tarfile would keep every member in memory
    if len(archive.pax_headers) > MAX_GLOBAL_HEADERS:
        raise WorkError(f"the archive should have at most {MAX_GLOBAL_HEADERS} headers for all of its files")
    return info


def _is_whole(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bool:
    """Whether the next member begins where this one ends: headers can name other sizes, below 0 too."""
    blocks = -(-info.size // tarfile.BLOCKSIZE)
    return info.size >= 0 and archive.offset == info.offset_data + blocks * tarfile.BLOCKSIZE


def _opener(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
    def open_member() -> IO[bytes]:
        file = archive.extractfile(info)
        assert file is not None  # noqa: S101 (only links and folders have none)
        return file

    return open_member
