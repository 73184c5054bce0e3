"""The running processes, as the database knows them: a worker for each queue, and a sweeper."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard import __version__
from jobyard.shared import queues
from jobyard.shared.database import Database, utcnow
from jobyard.shared.doctor.findings import Finding, warning, well, wrong
from jobyard.shared.jobs import EXACT_COUNTS, SWEPT, Job, State, mark_age_seconds
from jobyard.shared.kinds.base import Queue
from jobyard.shared.queue_controls import paused
from jobyard.shared.queues import QueueView
from jobyard.shared.registrations import ALIVE_SECONDS, Worker
from jobyard.shared.texts import duration

# A sweeper sweeps every two seconds, and notes that less often.
SWEPT_SECONDS = 60.0
# A lease that is over for so long should have been noticed.
OVERDUE_SECONDS = 60.0


def check(database: Database) -> Iterator[Finding]:
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
        yield from _check_disks(session)
        overdue = _overdue(session)
        yield _check_sweeper(session)
    if overdue:
        yield wrong(
            "sweeper",
            f"{overdue:,} running jobs have lost their workers, and no sweeper has put them back",
            "start it: `python -m jobyard.workers sweeper`, or `jobyard up`",
        )


def _check_queue(session: Session, queue: str) -> Finding:
    found = queues.find(session, queue)
    waiting, workers = found.depth, len(found.workers)
    if not workers and found.draining:
        text = f"queue {queue}: all {found.draining} workers drain, and claim no jobs; {waiting:,} are queued"
        remedy = "`jobyard workers` lists them; `jobyard workers undrain NAME`, or start others"
        return wrong("workers", text, remedy) if waiting else warning("workers", text, remedy)
    if workers:
        now = f"queue {queue}: {workers} running, {waiting:,} jobs queued{_owner(found)}"
        if found.blocked_by is None or found.paused_at is not None:  # which is named below
            return well("workers", now)
        if found.blocked_by == queues.AT_QUOTA:  # which is no fault
            return well("workers", f"{now}; {queues.AT_QUOTA}")
        why, _, remedy = found.blocked_by.partition(": ")
        return wrong("workers", f"{now}, and none starts: {why}", remedy)
    remedy = f"start one: `python -m jobyard.workers {queue}`, or `jobyard up`"
    if waiting:
        return wrong("workers", f"queue {queue}: no worker runs, and {waiting:,} jobs are queued", remedy)
    return warning("workers", f"queue {queue}: no worker runs", remedy)


def _owner(queue: QueueView) -> str:
    """Whose most of many are."""
    if queue.depth <= EXACT_COUNTS or not queue.owners:
        return ""
    most = queue.owners[0]
    return f", {most.queued:,} of them {most.name}'s"


def _check_disks(session: Session) -> Iterator[Finding]:
    """Of the workers' machines, as they last said."""
    full = sa.select(Worker.name, Worker.free_bytes, Worker.min_free_bytes).where(
        Worker.seen_at > utcnow(-ALIVE_SECONDS), Worker.free_bytes < Worker.min_free_bytes
    )
    for name, free, least in session.execute(full.order_by(Worker.name)):
        yield wrong(
            "disk",
            f"{free:,} bytes are free at the worker {name}, and {least:,} should stay: "
            "its jobs that write files are put off",
            "free some space there, delete jobs, or lower JOBYARD_MIN_FREE_BYTES",
        )


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


def _check_sweeper(session: Session) -> Finding:
    """By what it writes down as it sweeps."""
    age = mark_age_seconds(session, SWEPT)
    remedy = "start it: `python -m jobyard.workers sweeper`, or `jobyard up`"
    if age is None:
        return warning("sweeper", "none has swept yet", remedy)
    if age > SWEPT_SECONDS:
        return wrong("sweeper", f"none has swept for {duration(age)}", remedy)
    return well("sweeper", f"swept {duration(age)} ago")
