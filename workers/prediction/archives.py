"""Pictures in a zip: what an archive from outside becomes, and what a data set is.

An archive is checked once, by `check_archive`. From then on it is a zip whose members are read one by one,
where it lies: nothing is unpacked.
"""

import functools
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from jobyard.shared.archives.members import DAMAGED, Member, is_meant, printable, reason
from jobyard.shared.archives.unlabelled import unlabelled_pictures
from jobyard.shared.archives.walk import walk
from jobyard.shared.archives.zip_names import names_of
from jobyard.shared.archives.zips import PIECE, open_zip, read_member
from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.pictures import MAX_FILE_BYTES, TOO_LARGE, NotAPicture
from jobyard.workers.prediction.predict import Picture
from jobyard.workers.runtime.progress import Progress

# What the row of a prediction can hold.
MAX_NAME = 1_000


def check_archive(
    source: Path, copy: Path, max_bytes: int, progress: Progress, room: Room | None = None
) -> bool:
    """Check the members of an archive from outside; one that is not a zip is copied to `copy` as a zip.

    Returns whether it did. Raises WorkError if it is not an archive, holds no files, is damaged as
    a whole, is hostile, or unpacks to over `max_bytes`; and what `room`, which the copy takes, raises. A file
    that is too large for a picture is one that can't be read.
    """
    room = room or Room()
    files = unlabelled_pictures(walk(source, max_bytes, max_file_bytes=max_bytes))
    with source.open("rb") as file:
        is_zip = file.read(2) == b"PK"  # as `walk` recognizes it: nothing else was checked as one
    if is_zip:
        for _ in files:
            progress.check()
        return False
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as target:
        for count, member in enumerate(files, 1):
            # A tar may hold a name twice, and one that is no Unicode.
            name = _shown(member.parts)
            if name in target.NameToInfo:
                name = f"{name} ({count})"
            with target.open(name, "w", force_zip64=True) as copied:
                for piece in _pieces(member):
                    room.take(len(piece))
                    copied.write(piece)
            progress.update(count, None, "pictures")
    return True


def _pieces(member: Member) -> Iterator[bytes]:
    try:
        with member.open() as file:
            while piece := file.read(PIECE):
                yield piece
    except DAMAGED as error:
        raise WorkError(f"{member.name!r} can't be read: {reason(error)}") from None


def _shown(parts: tuple[str, ...]) -> str:
    """A path for people, as whole as a row can hold it: it says which file the row is of."""
    return printable("/".join(parts), MAX_NAME)


class ZipOfPictures:
    """A zip that was checked, or that this server wrote, open for reading by several threads at once."""

    def __init__(self, file: IO[bytes]) -> None:
        """Raises WorkError for a damaged zip."""
        self._file = file
        try:
            self._archive = open_zip(file)
        except WorkError:
            file.close()
            raise
        infos = self._archive.infolist()
        found = [(_parts(name.text), info) for name, info in zip(names_of(infos), infos, strict=True)]
        meant = [(parts, info) for parts, info in found if parts and is_meant(parts)]
        self._members = sorted(meant, key=lambda member: member[0])

    def __len__(self) -> int:
        return len(self._members)

    def pictures(self, start: int, stop: int) -> Sequence[Picture]:
        """Those from `start` to `stop`, in the order of their paths."""
        return [
            (_shown(parts), functools.partial(self._open, info)) for parts, info in self._members[start:stop]
        ]

    @functools.cached_property
    def files(self) -> Mapping[str, zipfile.ZipInfo]:
        """The files by their whole paths; `pictures` has paths for people."""
        return {"/".join(parts): info for parts, info in self._members}

    def open(self, path: str) -> IO[bytes]:
        """One of `files`. Raises NotAPicture where it is damaged."""
        return self._open(self.files[path])

    def identical(self) -> dict[str, str]:
        """Of a data set: what the pictures that equal others have in common, by their paths."""
        return {
            "/".join(parts): info.comment.decode("ascii") for parts, info in self._members if info.comment
        }

    def close(self) -> None:
        self._archive.close()
        self._file.close()

    def _open(self, info: zipfile.ZipInfo) -> IO[bytes]:
        """In memory: reading stops at the size that was checked."""
        if info.file_size > MAX_FILE_BYTES:
            raise NotAPicture(TOO_LARGE)
        try:
            return io.BytesIO(read_member(self._archive, info))
        except DAMAGED as error:
            raise NotAPicture(f"can't be read: {reason(error)}") from None


def _parts(name: str) -> tuple[str, ...]:
    """As `walk` has them; a path that ends as a folder's has none."""
    path = name.replace("\\", "/")
    return () if path.endswith("/") else tuple(part for part in path.split("/") if part not in ("", "."))
