"""Archives of pictures in whatever folders: every file counts, but for what systems leave behind."""

from collections.abc import Iterable, Iterator

from jobyard.shared.archives.layout import LITTER
from jobyard.shared.archives.members import Member
from jobyard.shared.errors import WorkError


def loose_files(members: Iterable[Member]) -> Iterator[Member]:
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
    """Whether a file with these names on its path is one that somebody wanted there."""
    return not any(part.startswith(".") or part.casefold() in LITTER for part in parts)
