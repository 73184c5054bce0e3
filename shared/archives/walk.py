"""Archives and folders from outside, member by member: hostile until proven otherwise.

Nothing is ever extracted to a path that an archive names. A member that no honest archive of pictures
has (a path that leads out, a link, a device) refuses the whole archive.
"""

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from jobyard.shared.archives import limits
from jobyard.shared.archives.folders import Folder, open_folder, walk_folder
from jobyard.shared.archives.members import Member, printable
from jobyard.shared.archives.tars import NOT_AN_ARCHIVE, walk_tar
from jobyard.shared.archives.zips import walk_zip
from jobyard.shared.errors import WorkError
from jobyard.shared.pictures.formats import SIGNATURE_BYTES

# Where the members come from: a file, or a folder, whose name may since have become another one's.
Source = Path | Folder


def walk(source: Source, max_bytes: int, max_file_bytes: int = limits.MAX_FILE_BYTES) -> Iterator[Member]:
    """The members of the archive or folder `source`, in an order that is the same each time.

    Raises WorkError if `source` is not an archive or folder, is damaged as a whole, is hostile, or
    declares more than `max_bytes`, or more than `max_file_bytes` of one file. The reader has to count what
    the members really hold.
    """
    yield from _within_limits(_walk(source, max_bytes), max_bytes, max_file_bytes)


def _walk(source: Source, max_bytes: int) -> Iterator[Member]:
    if isinstance(source, Folder):
        yield from walk_folder(source)
    elif source.is_dir():
        with closing(open_folder(source)) as folder:
            yield from walk_folder(folder)
    else:
        yield from _walk_archive(source, max_bytes)


def _walk_archive(source: Path, max_bytes: int) -> Iterator[Member]:
    try:
        file = source.open("rb")
    except OSError as error:
        raise WorkError(f"{printable(str(source))} can't be read: {error.strerror or error}") from None
    with file:
        # From its beginning: by the name of a descriptor, a file may be opened where another one has read to.
        file.seek(0)
        head = file.read(SIGNATURE_BYTES)
        file.seek(0)
        if not head:
            raise WorkError(f"the file is empty; {NOT_AN_ARCHIVE.removeprefix('the file ')}")
        yield from walk_zip(file) if head.startswith(b"PK") else walk_tar(file, head, max_bytes)


def _within_limits(members: Iterator[Member], max_bytes: int, max_file_bytes: int) -> Iterator[Member]:
    unpacked = names = 0
    for count, member in enumerate(members, 1):
        if count > limits.MAX_MEMBERS:
            raise limits.too_many()
        names += sum(map(sys.getsizeof, member.parts))
        if names > limits.MAX_NAMES_BYTES:
            raise WorkError(
                "the archive has names that are too long, all in all; a path has some 100 characters"
            )
        if member.size > max_file_bytes:
            raise WorkError(
                f"{member.name!r} is too large ({member.size:,} bytes); "
                f"a picture should have at most {max_file_bytes:,}"
            )
        unpacked += member.size
        if unpacked > max_bytes:
            raise limits.too_large(max_bytes)
        yield member
