"""Paths as systems have them: those of Windows have drives and backslashes."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TypeVar

K = TypeVar("K")
P = TypeVar("P", bound=PurePath)


def common_folder(folders: Sequence[P]) -> P | None:
    """The innermost folder that all of these absolute ones lie in; None of several drives."""
    for folder in (folders[0], *folders[0].parents):
        if all(one.is_relative_to(folder) for one in folders):
            return folder
    return None


def names_in(path: PurePath, folder: PurePath | None) -> tuple[str, ...]:
    """The names on an absolute path below `folder`; without one from the top, which may be a drive.

    `C:\\photos\\rex.jpg` is C, photos, rex.jpg; `/photos/rex.jpg` is photos, rex.jpg.
    """
    if folder is not None:
        return path.relative_to(folder).parts
    drive = re.sub(r"[^\w.-]+", "_", path.drive).strip("_")
    return (*([drive] if drive else []), *path.parts[1:])


def told_apart(paths: Mapping[K, PurePath]) -> dict[K, str]:
    """Names without folders for files by their absolute paths, with as many folders as make them differ."""
    parts = {file: names_in(path, None) for file, path in paths.items()}
    depth = 1
    while len({inner[-depth:] for inner in parts.values()}) < len(set(parts.values())):
        depth += 1
    return {file: "-".join(inner[-depth:]) for file, inner in parts.items()}


def with_slashes(path: str, separator: str = os.sep) -> str:
    """A path as it is written with slashes: of Windows, where a backslash separates folders, too."""
    return path.replace(separator, "/")
