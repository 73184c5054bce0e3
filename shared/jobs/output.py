"""What the work of an attempt prints and logs, in pieces: the table `job_logs`.

A piece begins after so many characters of its attempt's output. Where one begins later than the one before it
ends, something was left out.
"""

import datetime
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, UtcDateTime, utcnow
from jobyard.shared.texts import OutsideText


class JobLog(Base):
    """A piece of an attempt's output."""

    __tablename__ = "job_logs"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # How many characters came before it.
    begins: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(OutsideText)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    @property
    def ends(self) -> int:
        return self.begins + len(self.text)


class Piece(NamedTuple):
    """As a worker writes it: whole lines."""

    begins: int
    text: str


class Place(NamedTuple):
    """Where a reader continues: after so many characters of an attempt's output."""

    attempt: int
    begins: int


BEGINNING: Final = Place(0, 0)


def write_output(session: Session, job_id: uuid.UUID, attempt: int, pieces: Iterable[Piece]) -> None:
    """Insert pieces; one that is there already is overwritten. `heartbeat` checks the lease."""
    rows = [{"job_id": job_id, "attempt": attempt, **piece._asdict()} for piece in pieces]
    if not rows:
        return
    # A commit whose answer was lost is tried again.
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    insert: Any = (postgresql if is_postgresql else sqlite).insert(JobLog.__table__).values(at=utcnow())
    statement = insert.on_conflict_do_update(
        index_elements=["job_id", "attempt", "begins"],
        set_={"text": insert.excluded.text, "at": insert.excluded.at},
    )
    session.execute(statement, rows)


def drop_output(session: Session, job_id: uuid.UUID, attempt: int, begins: Sequence[int]) -> None:
    """Delete the pieces that begin there."""
    if begins:
        own = JobLog.job_id == job_id, JobLog.attempt == attempt
        session.execute(sa.delete(JobLog).where(*own, JobLog.begins.in_(begins)))


def output_extents(session: Session, job_id: uuid.UUID, attempt: int) -> list[tuple[int, int]]:
    """Where the pieces of an attempt begin and end: it may have been released, and continue."""
    own = JobLog.job_id == job_id, JobLog.attempt == attempt
    query = sa.select(JobLog.begins, JobLog.begins + sa.func.length(JobLog.text)).where(*own)
    return [(begins, ends) for begins, ends in session.execute(query.order_by(JobLog.begins))]


def read_output(
    session: Session,
    job_id: uuid.UUID,
    *,
    attempt: int | None = None,
    after: Place = BEGINNING,
    limit: int | None = None,
) -> list[JobLog]:
    """The pieces of all attempts or of one, in their order, from a place on."""
    query = sa.select(JobLog).where(JobLog.job_id == job_id)
    if attempt is not None:
        query = query.where(JobLog.attempt == attempt)
    if after != BEGINNING:
        query = query.where(sa.tuple_(JobLog.attempt, JobLog.begins) >= after)
    return list(session.scalars(query.order_by(JobLog.attempt, JobLog.begins).limit(limit)))


def has_output(session: Session, job_id: uuid.UUID) -> bool:
    """Whether any attempt has printed anything."""
    return session.scalar(sa.select(sa.exists().where(JobLog.job_id == job_id))) or False
