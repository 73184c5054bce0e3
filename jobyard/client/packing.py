"""Pictures in one zip: the files that are to be predicted, or a folder to train on, under harmless paths."""

import errno
import hashlib
import os
import re
import shutil
import stat
import unicodedata
import zipfile
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from jobyard.client.errors import BadRequest
from jobyard.client.folders import shown, unreadable, walk
from jobyard.client.open_files import temporary_folder
from jobyard.client.system_paths import common_folder, names_in

# The first moment that a zip can write.
EPOCH = (1980, 1, 1, 0, 0, 0)
CHUNK_BYTES = 1 << 20
FULL = (errno.ENOSPC, errno.EDQUOT)
# What a path in an archive may not begin with.
DRIVE = re.compile("^([A-Za-z]):")
# What the name of a file may not have, on Windows, too.
NOT_IN_NAMES = re.compile(r'[/:*?"<>|]')


def files_in(given: Sequence[Path]) -> list[Path]:
    """These files, and all in these folders, once each; hidden ones in folders are left out.

    Raises BadRequest as `walk` does.
    """
    found: dict[Path, Path] = {}
    for path in given:
        for file in (inner.path for inner in walk(path)) if path.is_dir() else [path]:
            found.setdefault(_absolute(file), file)
    return list(found.values())


def named(files: Iterable[Path], given: Sequence[Path]) -> dict[str, Path]:
    """A path in the zip for each file, as its row will have it.

    It is relative to this process's folder if all files lie there, else to the folder that holds all that was
    given; where that is on several drives, it begins with theirs. What would not travel (bytes that are no
    UTF-8, control characters, the dot of a hidden name: a server leaves out what is hidden) becomes '_'.
    """
    absolute = [(_absolute(file), file) for file in files]
    here = Path.cwd()
    are_here = all(path.is_relative_to(here) for path, _ in absolute)
    root = here if are_here else common_folder([_absolute(path).parent for path in given])
    names: dict[str, Path] = {}
    for path, file in absolute:
        visible = re.sub(r"(^|/)\.", r"\1_", "/".join(names_in(path, root)))
        names[_free(_harmless(visible), names)] = file
    return names


def classes_in(folder: Path) -> dict[str, Path]:
    """A path in the zip for each file of a folder to train on: that in the folder, as folders are classes.

    Folders without files have one too, that ends with a slash: a class may be missing its pictures.
    A file's name that is no Unicode is replaced by one that is. Raises BadRequest for a folder whose name is
    none, and as `walk` does.
    """
    names: dict[str, Path] = {}
    for path, inside in walk(folder, strict=True):
        folders, name = (inside, "") if path.is_dir() else (inside[:-1], shown(inside[-1]))
        for depth, one in enumerate(folders, 1):
            if not _is_unicode(one) or (depth == 1 and DRIVE.match(one)):
                where = shown(folder.joinpath(*folders[:depth]))
                why = "begins as a drive's" if _is_unicode(one) else "is not UTF-8"
                raise BadRequest(f"{where}: the folder's name {why}; rename it")
        names[_free("/".join((*folders, name)), names)] = path
    return names


@contextmanager
def packed(files: Mapping[str, Path], name: str) -> Iterator[Path]:
    """A zip of these files by their paths in there; it is called `name`.zip, and deleted at the end.

    Raises BadRequest for a file that can't be read, and JobyardClientError where there is no room.
    """
    with ExitStack() as opened:
        # A file system counts bytes.
        called = NOT_IN_NAMES.sub("_", _harmless(name)).encode()[:100].decode(errors="ignore")
        archive = temporary_folder(opened) / f"{called}.zip"
        write_zip(files, archive)
        yield archive


def write_zip(files: Mapping[str, Path], archive: Path) -> None:
    """Write `archive`, not compressed: pictures are compressed already.

    The same files under the same paths make the same bytes, whenever they were written and whoever may read
    them: so a server knows by the SHA-256 whether it has them.

    Raises BadRequest for a file that can't be read, and for a disk that is full.
    """
    try:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
            for inside, file in files.items():
                _add(target, inside, file)
    except OSError as error:  # also of what is written last, when the zip is closed
        where = archive.parent.parent
        why = f"there is no room to zip the pictures in {where}"
        if error.errno not in FULL:
            why = f"the pictures can't be zipped in {where}: {error.strerror or error}"
        raise BadRequest(f"{why}; set TMPDIR to a folder of another disk") from None


def _add(target: zipfile.ZipFile, inside: str, file: Path) -> None:
    try:
        status = file.stat()
        if inside.endswith("/"):
            target.writestr(_entry(inside, 0), b"")
            return
        if not stat.S_ISREG(status.st_mode):
            raise BadRequest(f"{shown(file)} can't be read: it is no file")
        with file.open("rb") as source, target.open(_entry(inside, status.st_size), "w") as copy:
            shutil.copyfileobj(source, copy, CHUNK_BYTES)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise unreadable(file, error) from None


def _entry(inside: str, size: int) -> zipfile.ZipInfo:
    """Of a file or a folder; zipfile is to know beforehand which are over 2 GB."""
    entry = zipfile.ZipInfo(inside, EPOCH)
    entry.create_system = 3  # Unix, on any system
    entry.external_attr = (0o40755 << 16 | 0x10) if inside.endswith("/") else 0o100644 << 16
    entry.file_size = size
    return entry


def digest_of(archive: Path) -> str:
    """SHA-256 of a file. Raises BadRequest where it can't be read."""
    try:
        with archive.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(archive, error) from None


def _absolute(path: Path) -> Path:
    """Without '..', and with links as they are: a file has the path that it was given by."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` follows links


def _harmless(name: str) -> str:
    """`name` as a zip can hold it and a server takes it: the server's own rows have it unchanged."""
    plain = unicodedata.normalize("NFC", name)
    plain = "".join("_" if c == "\\" or not c.isprintable() else c for c in plain)
    return DRIVE.sub(r"\1_", plain)


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeError:
        return False
    return True


def _free(name: str, taken: Container[str]) -> str:
    """`name`, or with a number before its suffix where a name before it became the same."""
    path = PurePosixPath(name)
    number = 1
    while name in taken:
        number += 1
        name = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
    return name
