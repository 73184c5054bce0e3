"""A folder of pictures on this machine."""

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

from jobyard.shared.archives.members import DAMAGED, Member, printable, reason
from jobyard.shared.errors import WorkError


def walk_folder(source: Path) -> Iterator[Member]:
    """Files and folders below `source`, sorted. A link is followed only to a file inside `source`.

    Raises WorkError for a folder that can't be read: otherwise pictures would be missed silently.
    """
    root = source.resolve()
    for folder, folders, files in os.walk(root, onerror=_refuse):
        current = Path(folder)
        for name in list(folders):
            if (current / name).is_symlink():
                folders.remove(name)
                files.append(name)
        folders.sort()
        parts = current.relative_to(root).parts
        if parts:
            yield Member(parts, True, 0, _nothing)
        for name in sorted(files):
            yield _folder_file(current / name, root, (*parts, name))


def _folder_file(path: Path, root: Path, parts: tuple[str, ...]) -> Member:
    problem = None
    size = 0
    try:
        target = path.resolve(strict=True)
        status = target.stat()
        size = status.st_size
        if not target.is_relative_to(root):
            problem = "a link that leads out of the folder"
        elif not stat.S_ISREG(status.st_mode):
            problem = "not a file"
    except DAMAGED as error:
        problem = f"can't be read: {reason(error)}"
        target = path
    return Member(parts, False, 0 if problem else size, lambda: target.open("rb"), problem)


def _nothing() -> IO[bytes]:
    return io.BytesIO()


def _refuse(error: OSError) -> NoReturn:
    raise WorkError(f"the folder {printable(str(error.filename))} can't be read: {error.strerror}")
