"""Pictures in one zip: every file of the folders that are to be predicted, each under a harmless path."""

import os
import re
import stat
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from jobyard.client.errors import BadRequest

# A file system's device and number of a folder: the same by whatever name.
Identity = tuple[int, int]


def files_in(given: Sequence[Path]) -> list[Path]:
    """These files, and all in these folders, once each; hidden ones in folders are left out.

    A link to a folder is followed. Raises BadRequest for a folder that can't be read.
    """
    found: dict[Path, Path] = {}
    for path in given:
        for file in _inside(path, ()) if path.is_dir() else [path]:
            found.setdefault(_absolute(file), file)
    return list(found.values())


def named(files: Iterable[Path], given: Sequence[Path]) -> dict[str, Path]:
    """A path in the zip for each file, as its row will have it.

    It is relative to this process's folder if all files lie there, else to the folder that holds all that was
    given. What would not travel (bytes that are no UTF-8, control characters) becomes '_'.
    """
    absolute = [(_absolute(file), file) for file in files]
    root = Path.cwd()
    if not all(path.is_relative_to(root) for path, _ in absolute):
        root = Path(os.path.commonpath([_absolute(path).parent for path in given]))
    names: dict[str, Path] = {}
    for path, file in absolute:
        names[_unique(_harmless(path.relative_to(root).as_posix()), names)] = file
    return names


@contextmanager
def packed(files: Mapping[str, Path], name: str) -> Iterator[Path]:
    """A zip of these files by their paths in there, not compressed: pictures are compressed already.

    It is called `name`.zip, and deleted at the end. Raises BadRequest for a file that can't be read.
    """
    with tempfile.TemporaryDirectory(prefix="jobyard-") as folder:
        archive = Path(folder) / f"{_harmless(name)}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, strict_timestamps=False) as target:
            for inside, file in files.items():
                try:
                    if not stat.S_ISREG(file.stat().st_mode):
                        raise BadRequest(f"{file} can't be read: it is no file")
                    target.write(file, inside)
                except OSError as error:
                    raise BadRequest(f"{file} can't be read: {error.strerror or error}") from None
        yield archive


def _inside(folder: Path, above: tuple[Identity, ...]) -> Iterator[Path]:
    """All files below; `above` are the folders that it lies in, into which a link may lead back."""
    try:
        status = folder.stat()
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise BadRequest(f"{folder} can't be read: {error.strerror or error}") from None
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    for name in names:
        path = folder / name
        if name.startswith("."):
            continue
        if path.is_dir():
            yield from _inside(path, (*above, here))
        else:
            yield path


def _absolute(path: Path) -> Path:
    """Without '..', and with links as they are: a file has the path that it was given by."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` follows links


def _harmless(name: str) -> str:
    """`name` as a zip can hold it and a server takes it: the server's own rows have it unchanged."""
    plain = unicodedata.normalize("NFC", name)
    plain = "".join("_" if c == "\\" or not c.isprintable() else c for c in plain)
    return re.sub(r"^([A-Za-z]):", r"\1_", plain)  # or it would be a drive


def _unique(name: str, taken: Mapping[str, Path]) -> str:
    path = PurePosixPath(name)
    number = 1
    while name in taken:
        number += 1
        name = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
    return name
