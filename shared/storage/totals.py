"""How many files there are and how large they are together: exact up to a thousand, and beyond as the sweeper
last counted them. So a page costs the same in front of a million files as of a thousand.
"""

import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, UtcDateTime, insert_into, utcnow
from jobyard.shared.storage.files import UPLOAD_ID, File, uploads_in_order

EXACT_FILES: Final = 1_000
RECOUNT_SECONDS: Final = 60.0

UPLOADS: Final = "uploads"
ARTIFACTS: Final = "artifacts"


def _sort(session: Session, name: str) -> sa.Select[Any]:
    """The files of one sort, by an index."""
    if name == UPLOADS:
        return uploads_in_order(session)
    return sa.select(File.bytes).where(File.job_id.is_not(None))


def _first(session: Session, name: str) -> "Total":
    """Of so many that it is seen whether there are more than `EXACT_FILES`."""
    order = UPLOAD_ID if name == UPLOADS else File.job_id
    return _count(session, _sort(session, name).order_by(order).limit(EXACT_FILES + 1))


class FileTotal(Base):
    """The number and size of the files of one sort, where there are more than `EXACT_FILES`."""

    __tablename__ = "file_totals"

    name: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    files: Mapped[int] = mapped_column(sa.BigInteger)
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    counted_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class Total(NamedTuple):
    """A number of files and their bytes. One that is not exact is what the sweeper last counted, or what the
    first `EXACT_FILES` have, where it has not counted yet.
    """

    files: int
    bytes: int
    is_exact: bool = True


def total(session: Session, name: str) -> Total:
    """Of the `UPLOADS`, or the `ARTIFACTS` of jobs."""
    first = _first(session, name)
    if first.files <= EXACT_FILES:
        return first
    kept = session.get(FileTotal, name)
    return Total(kept.files, kept.bytes, False) if kept is not None else first._replace(is_exact=False)


def counted(session: Session) -> dict[str, Total]:
    """All that the sweeper has counted, by name."""
    columns = (FileTotal.name, FileTotal.files, FileTotal.bytes)
    return {name: Total(files, size, False) for name, files, size in session.execute(sa.select(*columns))}


def recount(session: Session) -> dict[str, Total]:
    """Count what is too much for readers, and was not counted within `RECOUNT_SECONDS`.

    Reads only; `keep_totals` writes what it returns.
    """
    fresh = set(
        session.scalars(sa.select(FileTotal.name).where(FileTotal.counted_at > utcnow(-RECOUNT_SECONDS)))
    )
    found = {}
    for name in (UPLOADS, ARTIFACTS):
        if name not in fresh and _first(session, name).files > EXACT_FILES:
            found[name] = _count(session, _sort(session, name))
    return found


def keep_totals(session: Session, totals: dict[str, Total]) -> None:
    """Write what `recount` has returned."""
    for name, counted in sorted(totals.items()):
        row = {"files": counted.files, "bytes": counted.bytes, "counted_at": utcnow()}
        new = insert_into(session.get_bind(), FileTotal).values(name=name, **row)
        changes = {column: new.excluded[column] for column in row}
        session.execute(new.on_conflict_do_update(index_elements=["name"], set_=changes))


def _count(session: Session, files: sa.Select[Any]) -> Total:
    some = files.subquery()
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(some.c.bytes), 0)).select_from(some)
    number, size = session.execute(query).one()
    return Total(number, int(size))
