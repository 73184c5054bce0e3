"""Unpacking a data set of ours to a local folder."""

import re
import shutil
import tempfile
import zipfile
from pathlib import Path

from jobyard.shared.errors import WorkError
from jobyard.workers.datasets import identical
from jobyard.workers.runtime.progress import Progress

PIECE = 1024**2

# What the importer writes. No name begins with a dot, so that none is "..".
PATH = re.compile(r"(train|validation|test)/[^./\\\0][^/\\\0]*/[^./\\\0][^/\\\0]*")


def unpack(archive: Path, folder: Path, progress: Progress) -> None:
    """Unpack a zip of the importer's to `folder`: `train/CLASS/FILE`, perhaps `validation/…`, `test/…`.

    The folder appears at once and whole; one that exists is taken to be the same data set. Two
    processes may do this at the same time. Raises WorkError if the archive is not one of ours.
    """
    if folder.is_dir():
        return
    progress.phase("unpacking")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _extract(archive, draft, progress)
        _move(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _move(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError:
        if not folder.is_dir():  # another process was faster: its folder is as good
            raise


def _extract(archive: Path, draft: Path, progress: Progress) -> None:
    try:
        with zipfile.ZipFile(archive) as source:
            infos = source.infolist()
            identical.write(
                draft, {info.filename: info.comment.decode("ascii") for info in infos if info.comment}
            )
            for done, info in enumerate(infos, 1):
                # Stored, so that it can't unpack to more than it is.
                if not PATH.fullmatch(info.filename) or info.compress_type != zipfile.ZIP_STORED:
                    raise WorkError(f"{info.filename!r} should not be in the data set's archive")
                target = draft / info.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with source.open(info) as member, target.open("xb") as file:
                    shutil.copyfileobj(member, file, PIECE)
                progress.update(done, len(infos), "pictures")
    except (zipfile.BadZipFile, UnicodeError, EOFError, NotImplementedError, RuntimeError) as error:
        raise WorkError(f"the data set's archive is damaged: {error}") from None
