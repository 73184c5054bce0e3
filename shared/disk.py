"""The disk: how much of it stays free, and how much a job may write."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final, cast

from jobyard.shared.errors import DiskFull, WorkError

# How much may be written before the free space is looked at again.
CHECK_BYTES: Final = 16 << 20

FULL: Final = {errno.ENOSPC, errno.EDQUOT}
NO_SPACE: Final = os.strerror(errno.ENOSPC)


class Disk:
    """The file systems of some folders, on each of which `least` bytes are to stay free."""

    def __init__(self, folders: Iterable[Path], least: int) -> None:
        self._folders = list(folders)
        self._least = least

    def check(self, needed: int = 0, *, share: float = 1) -> None:
        """Raises DiskFull if writing so many bytes leaves less than that `share` of the least."""
        for folder in self._folders:
            free = free_bytes(folder)
            if free - needed < self._least * share:
                wanted = f"{needed:,} bytes are needed, and " if needed else ""
                raise DiskFull(
                    f"the disk is full: {free:,} bytes are free at {folder}; {wanted}at least "
                    f"{self._least:,} should stay free (JOBYARD_MIN_FREE_BYTES)"
                )

    def fullest(self, *others: Path) -> str:
        """Which of its folders, or of these, has the least space, and how much: for people."""
        free, folder = min((free_bytes(folder), folder) for folder in [*self._folders, *others])
        return f"{free:,} bytes are free at {folder}"

    def room(self) -> tuple[int, int]:
        """How many bytes are free where there are fewest, and how many should stay so."""
        return min(free_bytes(folder) for folder in self._folders), self._least

    def watched(self, stream: IO[bytes]) -> IO[bytes]:
        """The stream, whose reads raise DiskFull once there is too little left for what was read."""
        return cast(IO[bytes], _Watched(stream, self))


class _Watched:
    def __init__(self, stream: IO[bytes], disk: Disk) -> None:
        self._stream = stream
        self._room = Room(None, disk)

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._room.take(len(data))
        return data


class Room:
    """What a job may write, counted while it is written: at most `limit` bytes, while the disk has room.

    `what` is being written, for the error.
    """

    def __init__(self, limit: int | None = None, disk: Disk | None = None, what: str = "the output") -> None:
        self._limit = limit
        self._disk = disk or Disk([], 0)
        self._what = what
        self._taken = 0
        self._checked = -CHECK_BYTES

    def afresh(self) -> "Room":
        """The same room, of which nothing is taken yet."""
        return Room(self._limit, self._disk, self._what)

    def take(self, size: int) -> None:
        """So many bytes more are about to be written, or were. Raises WorkError and DiskFull."""
        self._taken += size
        if self._limit is not None and self._taken > self._limit:
            raise WorkError(
                f"{self._what} would have over {self._limit:,} bytes, far more than the upload; "
                "make it smaller, or raise JOBYARD_MAX_OUTPUT_RATIO"
            )
        if self._taken - self._checked >= CHECK_BYTES:
            self._checked = self._taken
            self._disk.check()


def free_bytes(folder: Path) -> int:
    """Free for this user on the file system that the folder is on, or will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is the system's about a full disk."""
    while error is not None:
        if isinstance(error, DiskFull):
            return True
        # Libraries write in C and say the reason only in words.
        if isinstance(error, OSError) and (error.errno in FULL or NO_SPACE in str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False
