"""Unlabelled pictures in an archive, in any folders: every file counts but those of operating systems."""

from collections.abc import Iterable, Iterator

from jobyard.shared.archives.layout import LITTER
from jobyard.shared.archives.members import Member
from jobyard.shared.errors import WorkError


def unlabelled_pictures(members: Iterable[Member]) -> Iterator[Member]:
    """The files among `members` that are meant: not hidden, no .DS_Store, __MACOSX or Thumbs.db.

    Raises WorkError at the end if there are none.
    """
    empty = True
    for member in members:
        if not member.folder and is_meant(member.parts):
            empty = False
            yield member
    if empty:
        raise WorkError("there are no pictures in the archive")


def is_meant(parts: Iterable[str]) -> bool:
    """Whether a file with these names on its path is there on purpose."""
    return not any(part.startswith(".") or part.casefold() in LITTER for part in parts)
