"""The running processes, as the database knows them: a worker for each queue, and a sweeper."""

import datetime
import json
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard import __version__
from jobyard.shared.config import Settings
from jobyard.shared.database import Database, utcnow
from jobyard.shared.doctor.findings import Finding, warning, well, wrong
from jobyard.shared.errors import DiskFull, StorageFailed
from jobyard.shared.jobs import Job, State, count_queued
from jobyard.shared.kinds.base import Queue
from jobyard.shared.queue_controls import paused
from jobyard.shared.registrations import ALIVE_SECONDS, Worker
from jobyard.shared.storage import Objects
from jobyard.shared.storage.identity import NAME

# A sweeper writes the storage's epoch every ten minutes, or two minutes later where a backup runs.
SWEPT_SECONDS = 1_500.0
# A lease that is over for so long should have been noticed.
OVERDUE_SECONDS = 60.0


def check(settings: Settings, database: Database) -> Iterator[Finding]:
    """The errors of SQLAlchemy are the caller's."""
    with database.read() as session:
        for queue in Queue:
            yield _check_queue(session, queue.value)
        for control in paused(session):
            since = f"since {control.paused_at:%Y-%m-%d %H:%M} UTC"
            yield warning(
                "workers",
                f"queue {control.name} is paused {since}: {control.pause_reason or 'no reason was given'}",
                f"`jobyard queues resume {control.name}` when that is over",
            )
        yield from _check_versions(session)
        overdue = _overdue(session)
    if overdue:
        yield wrong(
            "sweeper",
            f"{overdue:,} running jobs have lost their workers, and no sweeper has put them back",
            "start it: `python -m jobyard.workers sweeper`, or `jobyard up`",
        )
    yield from _check_sweeper(settings)


def _check_queue(session: Session, queue: str) -> Finding:
    alive = sa.select(sa.func.count()).where(Worker.queue == queue, Worker.seen_at > utcnow(-ALIVE_SECONDS))
    workers, waiting = session.scalar(alive) or 0, count_queued(session, queue).jobs
    if workers:
        return well("workers", f"queue {queue}: {workers} running, {waiting:,} jobs queued")
    remedy = f"start one: `python -m jobyard.workers {queue}`, or `jobyard up`"
    if waiting:
        return wrong("workers", f"queue {queue}: no worker runs, and {waiting:,} jobs are queued", remedy)
    return warning("workers", f"queue {queue}: no worker runs", remedy)


def _check_versions(session: Session) -> Iterator[Finding]:
    found = session.execute(
        sa.select(Worker.version, sa.func.count(), sa.func.min(Worker.name))
        .where(Worker.seen_at > utcnow(-ALIVE_SECONDS))
        .group_by(Worker.version)
    ).all()
    for version, count, name in found:
        if version != __version__:
            yield warning(
                "workers",
                f"{count} of version {version or 'unknown'}, such as {name}, and this is {__version__}",
                "restart them with this version",
            )


def _overdue(session: Session) -> int:
    late = (Job.state == State.RUNNING) & (Job.lease_expires_at < utcnow(-OVERDUE_SECONDS))
    return session.scalar(sa.select(sa.func.count()).select_from(Job).where(late)) or 0


def _check_sweeper(settings: Settings) -> Iterator[Finding]:
    """By what it last wrote into the storage."""
    try:
        content = Objects(settings.storage).read_note(NAME)
        written = datetime.datetime.fromisoformat(json.loads(content or b"")["written_at"])
    except (StorageFailed, DiskFull, ValueError, KeyError, TypeError):
        yield warning("sweeper", "has left no trace in the storage", "start the server, and look again")
        return
    age = (datetime.datetime.now(datetime.UTC) - written).total_seconds()
    if age > SWEPT_SECONDS:
        yield warning(
            "sweeper",
            f"last wrote to the storage {age / 60:,.0f} min ago",
            "start it: `python -m jobyard.workers sweeper`, or `jobyard up`",
        )
    else:
        yield well("sweeper", f"wrote to the storage {age / 60:,.0f} min ago")
