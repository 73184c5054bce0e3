"""The workers as readers see them: what each of them is, and the jobs that it runs."""

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard import __version__
from jobyard.shared import jobs
from jobyard.shared.database import utcnow
from jobyard.shared.jobs import RunningJob
from jobyard.shared.registrations import ALIVE_SECONDS, Worker


@dataclass(frozen=True)
class WorkerView:
    """One worker now: a running one, or one that is draining, whether it runs or not."""

    name: str
    host: str
    queue: str
    version: str | None
    # Not of this process' version.
    is_of_another_version: bool
    # Where it writes; None: it is of an earlier version.
    free_bytes: int | None
    min_free_bytes: int | None
    started_at: datetime.datetime
    seen_at: datetime.datetime
    is_running: bool
    draining_since: datetime.datetime | None
    drained_by: str | None
    jobs: list[RunningJob]

    @property
    def disk_is_full(self) -> bool:
        """Its jobs that write files are put off."""
        return self.is_running and (self.free_bytes or 0) < (self.min_free_bytes or 0)


def view(session: Session, name: str | None = None) -> list[WorkerView]:
    """All workers by queue and name, or only this one."""
    is_running = (Worker.seen_at > utcnow(-ALIVE_SECONDS)).label("is_running")
    query = sa.select(Worker, is_running).order_by(Worker.queue, Worker.name)
    shown = sa.or_(is_running, Worker.draining_since.is_not(None)) if name is None else Worker.name == name
    theirs = _by_worker(jobs.running(session))
    return [
        WorkerView(
            name=worker.name,
            host=host_of(worker.name),
            queue=worker.queue,
            version=worker.version,
            is_of_another_version=bool(runs) and worker.version != __version__,
            free_bytes=worker.free_bytes,
            min_free_bytes=worker.min_free_bytes,
            started_at=worker.started_at,
            seen_at=worker.seen_at,
            is_running=bool(runs),
            draining_since=worker.draining_since,
            drained_by=worker.drained_by,
            jobs=theirs[worker.name],
        )
        for worker, runs in session.execute(query.where(shown))
    ]


def host_of(name: str) -> str:
    """`cpu@machine` → `machine`."""
    return name.rpartition("@")[2]


def _by_worker(running: Iterable[RunningJob]) -> dict[str, list[RunningJob]]:
    """A job's worker is one process of it: `cpu@machine/123`."""
    found = defaultdict(list)
    for job in running:
        found[(job.worker or "").rpartition("/")[0] or job.worker or ""].append(job)
    return found
