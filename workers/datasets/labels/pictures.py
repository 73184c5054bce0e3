"""The files of an archive, found by the names that tables give them."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from jobyard.shared.archives.file_kinds import PICTURE_SUFFIXES
from jobyard.shared.archives.members import printable
from jobyard.shared.archives.tree import Folder, Parts
from jobyard.shared.errors import WorkError

# So many files of one name are looked through; in a larger crowd a table has to write whole paths.
MAX_CANDIDATES = 64


class File(NamedTuple):
    """A file in the tree."""

    folders: Parts
    inside: Folder
    name: str

    @property
    def path(self) -> Parts:
        return (*self.folders, self.name)


class Pictures:
    """Finds files by path, by the end of a path, and by name with or without its suffix."""

    def __init__(self, top: Folder) -> None:
        self._top = top
        # By the hash of a name, as names themselves may be long; so what is found has to be compared.
        self._by_name: dict[int, File | list[File]] = {}
        for folders, inside, name in top.each_file():
            self._add(File(folders, inside, name))

    def _add(self, file: File) -> None:
        key = hash(_stem(_folded(file.name)))
        found = self._by_name.setdefault(key, file)
        if isinstance(found, list):
            found.append(file)
        elif found is not file:
            self._by_name[key] = [found, file]

    def find(self, written: str, folder: Parts, scope: Parts) -> File | None:
        """The file that a table in `folder` means, in the folder `scope` or below.

        A path may begin there or at the top, or be an absolute one of another machine; names are equal in
        any letter case and Unicode form, and may lack the suffix of a picture. Raises WorkError if two files
        could be meant.
        """
        is_absolute = written.startswith(("/", "\\")) or written[1:3] in (":\\", ":/")
        parts = _resolved(written)
        if not parts:
            return None
        if not is_absolute:
            for base in (folder, scope, ()):
                found = self._at((*base, *parts))
                if found is not None and _is_below(found.folders, scope):
                    return found
        crowd = self._by_name.get(hash(_stem(_folded(parts[-1]))), ())
        candidates: Sequence[File] = [crowd] if isinstance(crowd, File) else crowd
        if len(candidates) > MAX_CANDIDATES:
            if len(parts) > 1:
                return None
            raise _ambiguous(written, candidates)
        means = [
            file
            for file in candidates
            if _is_below(file.folders, scope) and _means(parts, file, is_absolute=is_absolute)
        ]
        return _only(means, parts[-1], written)

    def _at(self, path: Parts) -> File | None:
        inside = self._top.find(path[:-1])
        return File(path[:-1], inside, path[-1]) if inside is not None and path[-1] in inside.files else None


def is_picture_name(name: str) -> bool:
    """Whether a file of that name is a picture, as far as one can tell from that."""
    suffix = _split(name)[1].lower()
    return not suffix or suffix in PICTURE_SUFFIXES


def _resolved(written: str) -> Parts:
    """The names of a path; what `../` leads to is looked for from the top."""
    parts: list[str] = []
    for part in written.replace("\\", "/").split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return tuple(parts)


def _means(parts: Parts, file: File, *, is_absolute: bool) -> bool:
    """Whether the path that is written ends as the file's does."""
    name, written = _folded(file.name), _folded(parts[-1])
    if name != written and (not is_picture_name(file.name) or _stem(name) != written):
        return False
    theirs, outer = [*map(_folded, file.folders)], [*map(_folded, parts[:-1])]
    if is_absolute and len(outer) > len(theirs):  # the file's whole path ends the one that is written
        return outer[len(outer) - len(theirs) :] == theirs
    return theirs[len(theirs) - len(outer) :] == outer if outer else True


def _only(found: list[File], name: str, written: str) -> File | None:
    if len(found) > 1:
        # What is written letter by letter comes before what is only like it.
        exact = [file for file in found if file.name == name] or [
            file for file in found if _folded(file.name) == _folded(name)
        ]
        found = exact or found
    if len(found) > 1:
        raise _ambiguous(written, found)
    return found[0] if found else None


def _ambiguous(written: str, found: Sequence[File]) -> WorkError:
    one, other = (printable("/".join(file.path)) for file in found[:2])
    return WorkError(
        f"{printable(written)!r} in a table of labels could be {one} or {other}; should be a path from the "
        "table's folder"
    )


def _is_below(path: Parts, folder: Parts) -> bool:
    return path[: len(folder)] == folder


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _stem(name: str) -> str:
    """Without the suffix of a picture."""
    stem, suffix = _split(name)
    return stem if suffix in PICTURE_SUFFIXES else name


def _split(name: str) -> tuple[str, str]:
    """Stem and suffix, as pathlib has them, of a million names in no time."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem else (name, "")
