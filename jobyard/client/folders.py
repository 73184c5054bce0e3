"""The files in a folder, whoever asks for them: to train on, to predict or to score."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jobyard.client.errors import BadRequest

# A file system's device and number of a folder: the same by whatever name.
Identity = tuple[int, int]


class Found(NamedTuple):
    """A file on this disk; `inside` are the names on its path in the folder that was asked about."""

    path: Path
    inside: tuple[str, ...]


def walk(folder: Path, *, strict: bool = False) -> Iterator[Found]:
    """All files below a folder, in the order of their paths; hidden ones and those in hidden folders are not.

    Links to folders are followed; a folder that lies in itself by one adds nothing. `strict`, where folders
    are classes: that link is refused, and so is one to a folder outside; a folder without files is found,
    too. Raises BadRequest for these links, for one that leads nowhere, for what is no file, and for a folder
    that can't be read.
    """
    yield from _walk(folder, folder.resolve() if strict else None, (), ())


def shown(path: str | Path) -> str:
    """A path that can be printed."""
    return os.fsencode(path).decode(errors="replace")


def _walk(
    folder: Path, top: Path | None, inside: tuple[str, ...], above: tuple[Identity, ...]
) -> Iterator[Found]:
    """`above` are the folders that it was reached through; links stay in `top`."""
    try:
        status = folder.stat()
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise unreadable(folder, error) from None
    above = (*above, (status.st_dev, status.st_ino))
    if inside and not names and top is not None:
        yield Found(folder, inside)
    for name in names:
        path = folder / name
        status = _status(path)
        if not stat.S_ISDIR(status.st_mode):
            if not stat.S_ISREG(status.st_mode):
                raise BadRequest(f"{shown(path)} is no file but a pipe, a socket or a device; remove it")
            yield Found(path, (*inside, name))
        elif (status.st_dev, status.st_ino) in above:
            if top is not None and path.is_symlink():
                raise BadRequest(f"{shown(path)} is a link to a folder that it lies in; remove it")
        else:
            if top is not None and path.is_symlink():
                _check_inside(path, top)
            yield from _walk(path, top, (*inside, name), above)


def _status(path: Path) -> os.stat_result:
    """Of what a link leads to. Raises BadRequest."""
    try:
        return path.stat()
    except OSError as error:
        if path.is_symlink():
            raise BadRequest(f"{shown(path)} is a link that leads nowhere; remove it") from None
        raise unreadable(path, error) from None


def _check_inside(path: Path, top: Path) -> None:
    target = path.resolve()
    if not target.is_relative_to(top):
        raise BadRequest(
            f"{shown(path)} is a link to a folder outside of {shown(top)}, and is not followed: copy "
            f"{shown(target)} there, or give the folder that holds both"
        )


def unreadable(path: Path, error: OSError) -> BadRequest:
    """The error for what can't be read."""
    return BadRequest(f"{shown(path)} can't be read: {error.strerror or error}")
