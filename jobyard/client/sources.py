"""What arguments for files stand for: a path, a pattern of paths, an open file, an address, an id."""

import glob
import re
import uuid
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

from jobyard.client.errors import BadRequest
from jobyard.client.open_files import is_open_file, saved
from jobyard.client.texts import listed
from jobyard.client.types import shown
from jobyard.client.uploads import file_or_id, is_address

PATTERN = re.compile(r"[*?\[]")


def file_of(value: Any, folder: Path, argument: str, otherwise: str = "file") -> str | Path:
    """The id or address of one file, or the path of one that is to be uploaded; copies are made in `folder`.

    Raises BadRequest for what is no file, and for a pattern that several or no files match.
    """
    found = matching(value, folder, argument, otherwise)
    if len(found) > 1:
        raise BadRequest(f"{argument}: {len(found):,} files match {str(value)!r}; should be one")
    return found[0]


def files_of(values: Iterable[Any], folder: Path, argument: str, otherwise: str = "file") -> list[str | Path]:
    """Those of all, in their order; `values` may also be one pattern. Raises BadRequest as `file_of` does."""
    if isinstance(values, str | PathLike) and _is_pattern(values):
        values = [values]
    found = []
    for value in listed(values, argument):
        found += matching(value, folder, argument, otherwise)
    return found


def path_of(value: Any, argument: str) -> Path:
    """A path. Raises BadRequest for what is none."""
    try:
        return Path(value)
    except TypeError:
        raise BadRequest(f"{argument}: is {shown(value)}; should be a path, or an open file") from None


def is_folder(path: object) -> bool:
    """Whether it is the path of a folder."""
    try:
        return isinstance(path, str | PathLike) and Path(path).is_dir()
    except (OSError, ValueError, TypeError):  # too long, or no text
        return False


def matching(value: Any, folder: Path, argument: str, otherwise: str = "file") -> list[str | Path]:
    """One file, or, by their names, all that match a pattern: `data/*.csv`, `**/*.csv`. Raises BadRequest."""
    if is_open_file(value):
        return [saved(value, folder, argument, otherwise)]
    if isinstance(value, bytes | bytearray | memoryview):
        raise BadRequest(f"{argument}: is bytes; should be a path, or an open file, as io.BytesIO(content)")
    if isinstance(value, PathLike) and not isinstance(value, Path):
        value = Path(value)
    if not _is_pattern(value):
        return [file_or_id(value, argument)]
    found = [path for path in paths_matching(str(value)) if not path.is_dir()]
    if not found:
        raise BadRequest(f"{argument}: no file matches {str(value)!r}")
    return list(found)


def paths_matching(pattern: str) -> list[Path]:
    """Files and folders that a pattern stands for, by their names; `**` is any number of folders."""
    return [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - absolute, too


def _is_pattern(value: object) -> bool:
    """Whether it stands for several paths, and isn't the name of a file itself."""
    if isinstance(value, uuid.UUID) or not isinstance(value, str | PathLike):
        return False
    text = str(value)
    if PATTERN.search(text) is None or is_address(text) or "\0" in text:
        return False
    try:
        return not Path(text).exists()
    except OSError:
        return True
