"""How much the storage and the database hold: counted by the sweeper once in a while, as it takes long."""

from collections import defaultdict
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.storage.objects import Objects
from jobyard.shared.storage.totals import FileTotal, Total

DATABASE: Final = "database"
# Where `FileTotal` has the files of a folder: `models/`.
_FOLDER: Final = "%/"


def count_stored(objects: Objects) -> dict[str, Total]:
    """Files and bytes in the storage by folder: `models/`. It may take minutes on a large bucket."""
    files: dict[str, int] = defaultdict(int)
    size: dict[str, int] = defaultdict(int)
    for one in objects.listing():
        folder = f"{one.key.partition('/')[0][:15]}/"
        files[folder] += 1
        size[folder] += one.bytes
    return {folder: Total(files[folder], size[folder]) for folder in files}


def database_bytes(session: Session) -> int:
    """The size of the database, with its indexes."""
    if session.get_bind().dialect.name == "postgresql":
        return int(session.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0)
    pages, page = (session.scalar(sa.text(f"PRAGMA {name}")) or 0 for name in ("page_count", "page_size"))
    return int(pages) * int(page)


def stored(session: Session) -> list[FileTotal]:
    """What was counted last: of each folder of the storage, and of the database. The largest first."""
    theirs = sa.or_(FileTotal.name.like(_FOLDER), FileTotal.name == DATABASE)
    return list(session.scalars(sa.select(FileTotal).where(theirs).order_by(FileTotal.bytes.desc())))


def is_counted(session: Session, seconds: float) -> bool:
    """Whether some sweeper has counted within so many seconds."""
    fresh = sa.exists().where(FileTotal.name == DATABASE, FileTotal.counted_at > utcnow(-seconds))
    return bool(session.scalar(sa.select(fresh)))


def forget_empty(session: Session, found: dict[str, Total]) -> None:
    """Delete what was counted before of folders that are no more."""
    gone = sa.delete(FileTotal).where(FileTotal.name.like(_FOLDER), FileTotal.name.not_in(list(found)))
    session.execute(gone, execution_options={"synchronize_session": False})
