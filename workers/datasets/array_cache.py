"""The arrays that this machine keeps because it can make them again: decoded pictures, and their features.

A folder of files `.npy`, each complete. It is bounded as a whole: what was used longest ago is removed first.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobyard.shared.errors import DiskFull, WorkError

# Size of the folder; the least recently used entries are removed first, and more if the disk is full.
MAX_BYTES = 50 * 1000**3


def read(entry: Path, shape: tuple[int, ...], dtype: Any) -> NDArray[Any] | None:
    """The array, on disk; None if it is not there, or not of that shape and type.

    It may be removed while it is in use: a process that has it open can still read it.
    """
    # The last two are of what a broken disk left.
    with suppress(FileNotFoundError, ValueError, EOFError):
        array = np.load(entry, mmap_mode="r")
        if array.shape == shape and array.dtype == dtype:
            os.utime(entry)
            return array  # type: ignore[no-any-return]
    return None


def make_room(folder: Path, needed: int, beside: int = 0) -> None:
    """Remove the entries that were used longest ago, until `needed` more bytes fit.

    `beside` more bytes are to fit on the folder's disk, outside of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for path in folder.glob("*.npy"):
        with suppress(FileNotFoundError):  # another process makes room too
            status = path.stat()
            entries.append((status.st_mtime, status.st_size, path))
    held = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if held + needed <= MAX_BYTES and needed + beside <= shutil.disk_usage(folder).free:
            break
        path.unlink(missing_ok=True)
        held -= size


def refuse_full_disk(folder: Path, needed: int, what: str, lower: str = "image_size") -> None:
    """Raises WorkError where `needed` bytes can't fit on the folder's disk, DiskFull where they don't now.

    `lower` is the field of the spec that decides how many they are.
    """
    # Writing to a memory map on a full disk kills the process instead of raising.
    disk = shutil.disk_usage(folder)
    if needed > disk.free:
        raise (DiskFull if needed < disk.total else WorkError)(
            f"{what} need {needed / 1e9:.1f} GB of disk, {disk.free / 1e9:.1f} GB are free: "
            f"lower {lower} or free some space"
        )
