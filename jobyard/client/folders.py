"""A folder of pictures as an archive that can be uploaded."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from jobyard.client.errors import BadRequest

# A file system's device and number of a folder.
Identity = tuple[int, int]


class Packed(NamedTuple):
    """A file on this disk, and its path in the archive."""

    path: Path
    inside: tuple[str, ...]


def zip_folder(folder: Path, archive: Path) -> None:
    """Pack a folder's files, hidden ones left out, without compressing: pictures are compressed already.

    A link to a folder is followed inside `folder`; a file's name that is no Unicode is replaced by one that
    is. Raises BadRequest for a link that can't be followed, a folder whose name is no Unicode, and what
    can't be read.
    """
    try:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, strict_timestamps=False) as packed:
            for path, inside in _walk(folder, folder.resolve(), (), ()):
                packed.write(path, "/".join(inside))
    except OSError as error:
        where = _shown(error.filename) if error.filename else str(folder)
        raise BadRequest(f"{where} can't be read: {error.strerror or error}") from None


def _walk(folder: Path, top: Path, inside: tuple[str, ...], above: tuple[Identity, ...]) -> Iterator[Packed]:
    """`above` are the folders that it was reached through: a link may lead to none of them."""
    status = folder.stat()
    above = (*above, (status.st_dev, status.st_ino))
    taken: set[str] = set()
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_symlink():
            _check_link(path, top, above)
        if path.is_dir():
            if not _is_unicode(path.name):
                raise BadRequest(f"{_shown(path)}: the folder's name is not UTF-8; rename it")
            yield from _walk(path, top, (*inside, path.name), above)
        elif path.is_file():
            name = _free(_harmless(path.name), taken)
            taken.add(name)
            yield Packed(path, (*inside, name))


def _check_link(path: Path, top: Path, above: tuple[Identity, ...]) -> None:
    """Raises BadRequest for a link to a folder outside, or to one that it lies in, or to nothing."""
    try:
        target = path.resolve(strict=True)
        status = target.stat()
    except (OSError, RuntimeError):
        raise BadRequest(f"{_shown(path)} is a link that leads nowhere; remove it") from None
    if not target.is_dir():
        return
    if (status.st_dev, status.st_ino) in above:
        raise BadRequest(f"{_shown(path)} is a link to a folder that it lies in; remove it")
    if not target.is_relative_to(top):
        raise BadRequest(
            f"{_shown(path)} is a link to a folder outside of {_shown(top)}, and is not followed: copy "
            f"{_shown(target)} there, or give the folder that holds both"
        )


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeError:
        return False
    return True


def _harmless(name: str) -> str:
    """A file's name as text, whatever its bytes are: the class is its folder's."""
    return os.fsencode(name).decode(errors="replace")


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with a number before its suffix where a name before it became the same."""
    path = PurePath(name)
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{path.stem}-{number}{path.suffix}"
    return found


def _shown(path: str | Path) -> str:
    """A path that can be printed."""
    return os.fsencode(path).decode(errors="replace")
