"""A folder of pictures on this machine.

It is read through descriptors, and no link is followed on the way: whoever can write there can exchange a
folder for a link at any moment.
"""

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from jobyard.shared.archives import limits
from jobyard.shared.archives.members import DAMAGED, Member, is_meant, printable, reason
from jobyard.shared.archives.paths import check_depth
from jobyard.shared.errors import WorkError

# Not to wait at a pipe, which has no end to read.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC

# A file system's device and number of a folder: the same by whatever name.
Identity = tuple[int, int]


@dataclass(frozen=True)
class Folder:
    """An open folder: the same one whatever becomes of its name, until it is closed.

    `path` is its real path. Folders in it that are `private` are not entered.
    """

    descriptor: int
    path: Path
    private: frozenset[Identity] = frozenset()

    def close(self) -> None:
        os.close(self.descriptor)


def open_folder(path: Path) -> Folder:
    """Raises WorkError for a folder that can't be read."""
    try:
        return Folder(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), path.resolve())
    except OSError as error:
        _refuse(path, error)


def identity(descriptor: int) -> Identity:
    """Of an open folder."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def open_inside(folder: Folder, parts: tuple[str, ...], flags: int) -> int:
    """A descriptor of what lies in the folder at the path `parts`, one name or more.

    Raises OSError, also where a name on the path is a link, or a private folder.
    """
    *outer, name = parts
    descriptor = os.dup(folder.descriptor)
    try:
        for part in outer:
            descriptor = _step(folder, descriptor, part, FOLDER)
        return _step(folder, descriptor, name, flags)
    except BaseException:
        os.close(descriptor)
        raise


def _step(folder: Folder, descriptor: int, name: str, flags: int) -> int:
    """Open what lies in an open folder, and close that one."""
    if identity(descriptor) in folder.private:
        raise PermissionError(errno.EACCES, "it is in a folder of Jobyard's own")
    inner = os.open(name, flags, dir_fd=descriptor)
    os.close(descriptor)
    return inner


def walk_folder(folder: Folder) -> Iterator[Member]:
    """Files and folders in the folder, sorted. A link is followed only to what is inside it.

    Hidden folders, and what systems leave behind, are not entered. Raises WorkError for a folder that
    can't be read: otherwise pictures would be missed silently.
    """
    return _walk(folder, folder.descriptor, (), ())


def _walk(
    folder: Folder, descriptor: int, parts: tuple[str, ...], above: tuple[Identity, ...]
) -> Iterator[Member]:
    """`above` are the folders that it was reached through: a link may lead to none of them."""
    check_depth(parts)
    above = (*above, identity(descriptor))
    if parts:
        yield Member(parts, True, 0, _nothing)
    folders, files, links = _list(folder, descriptor, parts)
    for name in files:
        linked = _linked_folder(folder, (*parts, name)) if name in links else None
        if linked is None:
            yield _file(folder, descriptor, (*parts, name))
        else:
            yield from _walk_linked(folder, linked, (*parts, name), above)
    for name in folders:
        inner = (*parts, name)
        try:
            opened = os.open(name, FOLDER, dir_fd=descriptor)
        except OSError as error:
            _refuse(folder.path.joinpath(*inner), error)
        try:
            if identity(opened) in folder.private:
                yield Member(inner, False, 0, _nothing, "a folder of Jobyard's own")
            else:
                yield from _walk(folder, opened, inner, above)
        finally:
            os.close(opened)


def _linked_folder(folder: Folder, parts: tuple[str, ...]) -> Path | None:
    """The folder inside that a link leads to; None for what is none."""
    try:
        target = folder.path.joinpath(*parts).resolve(strict=True)
    except DAMAGED:
        return None
    return target if target.is_relative_to(folder.path) and target.is_dir() else None


def _walk_linked(
    folder: Folder, target: Path, parts: tuple[str, ...], above: tuple[Identity, ...]
) -> Iterator[Member]:
    try:
        opened = open_inside(folder, target.relative_to(folder.path).parts or (".",), FOLDER)
    except OSError as error:
        yield Member(parts, False, 0, _nothing, f"can't be read: {reason(error)}", link=True)
        return
    try:
        if identity(opened) in above:
            yield Member(parts, False, 0, _nothing, "a link to a folder that it lies in", link=True)
        elif identity(opened) in folder.private:
            yield Member(parts, False, 0, _nothing, "a folder of Jobyard's own")
        else:
            yield from _walk(folder, opened, parts, above)
    finally:
        os.close(opened)


def _list(
    folder: Folder, descriptor: int, parts: tuple[str, ...]
) -> tuple[list[str], list[str], frozenset[str]]:
    """The names of the folders in an open folder, and of all else, sorted; and which of these are links.

    What is hidden is no folder to enter, and no link to follow to one.
    """
    folders: list[str] = []
    files: list[str] = []
    links: set[str] = set()
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    files.append(entry.name)
                    if entry.is_symlink() and is_meant((entry.name,)):
                        links.add(entry.name)
                elif is_meant((entry.name,)):
                    folders.append(entry.name)
                if len(folders) + len(files) > limits.MAX_MEMBERS:
                    raise limits.too_many()
    except OSError as error:
        _refuse(folder.path.joinpath(*parts), error)
    return sorted(folders), sorted(files), frozenset(links)


def _file(folder: Folder, descriptor: int, parts: tuple[str, ...]) -> Member:
    try:
        status = os.stat(parts[-1], dir_fd=descriptor, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            return _regular(parts, status, lambda: os.open(parts[-1], FILE, dir_fd=descriptor))
        target = folder.path.joinpath(*parts).resolve(strict=True)
        if not target.is_relative_to(folder.path):
            why = "a link that leads out of the folder"
            return Member(parts, False, 0, _nothing, why, link=target.is_dir())
        inside = target.relative_to(folder.path).parts
        return _regular(parts, target.stat(), lambda: open_inside(folder, inside, FILE))
    except DAMAGED as error:
        dangling = "." not in parts[-1]  # a class, rather than a picture
        return Member(parts, False, 0, _nothing, f"can't be read: {reason(error)}", link=dangling)


def _regular(parts: tuple[str, ...], status: os.stat_result, opener: Callable[[], int]) -> Member:
    if not stat.S_ISREG(status.st_mode):
        return Member(parts, False, 0, _nothing, "not a file")

    def open_file() -> IO[bytes]:
        descriptor = opener()
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # it was exchanged a moment ago
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a file")
        return os.fdopen(descriptor, "rb")

    return Member(parts, False, status.st_size, open_file)


def _nothing() -> IO[bytes]:
    return io.BytesIO()


def _refuse(path: Path, error: OSError) -> NoReturn:
    raise WorkError(f"the folder {printable(str(path))} can't be read: {error.strerror}") from None
