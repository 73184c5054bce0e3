"""The running workers: each registers itself, and renews that."""

import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard import __version__
from jobyard.shared.database import Base, UtcDateTime, insert_into, utcnow
from jobyard.shared.errors import NotFound

# How often a worker renews its registration, and how long it counts as running after that.
REGISTER_SECONDS: Final = 5.0
ALIVE_SECONDS: Final = 3 * REGISTER_SECONDS
# A registration that was not renewed for so long is deleted: names of containers don't come again.
FORGOTTEN_SECONDS: Final = 3600.0
# That of a draining worker is kept for longer: its machine may be down for days.
DRAINED_SECONDS: Final = 7 * 86_400.0


class Worker(Base):
    """A worker of a queue, as it last registered."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    queue: Mapped[str] = mapped_column(sa.String(32))
    started_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    # Which process it is, as `workers.runtime.processes` has it; None: it is of an earlier version.
    process: Mapped[str | None] = mapped_column(sa.String(255))
    # Of Jobyard.
    version: Mapped[str | None] = mapped_column(sa.String(64))
    # How much disk is free where it writes, and how much should stay; None: of an earlier version.
    free_bytes: Mapped[int | None] = mapped_column(sa.BigInteger)
    min_free_bytes: Mapped[int | None] = mapped_column(sa.BigInteger)
    # Since when it claims no more jobs, and who wanted that.
    draining_since: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    drained_by: Mapped[str | None] = mapped_column(sa.String(255))

    __table_args__ = (sa.Index("ix_workers_queue_seen_at", "queue", "seen_at"),)


class Registered(NamedTuple):
    """The name is this process's; `draining`: it should claim no more jobs."""

    draining: bool


class Room(NamedTuple):
    """How many bytes are free where a worker writes, and how many should stay free."""

    free_bytes: int
    min_free_bytes: int


class Holder(NamedTuple):
    """The process that has a worker's name, and when it was last seen."""

    process: str
    seen_at: datetime.datetime


def register(
    session: Session,
    *,
    name: str,
    queue: str,
    process: str,
    instead_of: str | None = None,
    room: Room | None = None,
) -> Registered | Holder:
    """Insert or renew a worker's row, every REGISTER_SECONDS. Who has the name, if another process has it.

    A name that is draining remains so, whichever process has it.

    `instead_of`: one that has ended, whose registration has not expired yet.
    """
    statement = insert_into(session.get_bind(), Worker).values(
        name=name,
        queue=queue,
        process=process,
        version=__version__,
        free_bytes=None if room is None else room.free_bytes,
        min_free_bytes=None if room is None else room.min_free_bytes,
        started_at=utcnow(),
        seen_at=utcnow(),
    )
    given = statement.excluded
    is_free = sa.or_(
        Worker.process.is_(None),
        Worker.process.in_([process, instead_of or process]),
        Worker.seen_at < utcnow(-ALIVE_SECONDS),
    )
    registered = session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "queue": queue,
                "process": process,
                "version": __version__,
                "free_bytes": given.free_bytes,
                "min_free_bytes": given.min_free_bytes,
                "started_at": sa.case(
                    (Worker.process == given.process, Worker.started_at), else_=given.started_at
                ),
                "seen_at": given.seen_at,
            },
            where=is_free,
        ).returning(Worker.draining_since)
    ).one_or_none()
    session.execute(
        sa.delete(Worker).where(
            Worker.seen_at < utcnow(-FORGOTTEN_SECONDS),
            sa.or_(Worker.draining_since.is_(None), Worker.seen_at < utcnow(-DRAINED_SECONDS)),
        )
    )
    if registered is not None:
        return Registered(registered.draining_since is not None)
    process_of_it, seen_at = session.execute(
        sa.select(Worker.process, Worker.seen_at).where(Worker.name == name)
    ).one()
    return Holder(process_of_it or "", seen_at)


def deregister(session: Session, *, name: str, process: str) -> None:
    """Delete a worker's row, when it ends. That of a draining one stays, and counts as no running worker."""
    theirs = (Worker.name == name, Worker.process == process)
    session.execute(sa.delete(Worker).where(*theirs, Worker.draining_since.is_(None)))
    session.execute(
        sa.update(Worker).where(*theirs).values(process=None, seen_at=utcnow(-ALIVE_SECONDS)),
        execution_options={"synchronize_session": False},
    )


def drain(session: Session, name: str, by: str | None = None) -> Worker:
    """The worker finishes the jobs that it runs and claims no more, also after a restart. Raises NotFound."""
    since = sa.func.coalesce(Worker.draining_since, utcnow())
    return _change(session, name, draining_since=since, drained_by=by)


def undrain(session: Session, name: str) -> Worker:
    """The worker claims jobs again. Commit, then wake its queue. Raises NotFound."""
    return _change(session, name, draining_since=None, drained_by=None)


def _change(session: Session, name: str, **values: Any) -> Worker:
    statement = sa.update(Worker).where(Worker.name == name).values(**values).returning(Worker)
    found = session.scalars(statement, execution_options={"synchronize_session": False}).one_or_none()
    if found is None:
        raise NotFound(f"there is no worker {name[:100]!r}")
    return found


def listening(session: Session, queue: str) -> list[str]:
    """The names of a queue's running workers that take jobs: a draining one does not."""
    return list(
        session.scalars(
            sa.select(Worker.name)
            .where(
                Worker.queue == queue,
                Worker.seen_at > utcnow(-ALIVE_SECONDS),
                Worker.draining_since.is_(None),
            )
            .order_by(Worker.name)
        )
    )
