"""Unlabelled pictures in an archive, in any folders: every file counts but those of operating systems."""

from collections.abc import Iterable, Iterator

from jobyard.shared.archives.members import Member, is_meant
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
