"""The heartbeat of a running job: a thread that writes what the work tells, and listens.

The work itself never touches SQL: it notes phase, progress and metrics in memory, and a metric sink
or database that is away for a while neither slows nor kills it.
"""

import logging
import threading
import time
import uuid
from dataclasses import replace
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from sqlalchemy.orm import Session

from shared import jobs, metrics
from shared.database import Database
from shared.errors import Cancelled, Interrupted, LeaseLost, Paused, Stopping

log = logging.getLogger(__name__)


class Pulse:
    """Implements `workers.report.Report` for one lease. A context manager: the thread runs within."""

    def __init__(
        self,
        database: Database,
        job_id: uuid.UUID,
        lease: uuid.UUID,
        *,
        lease_seconds: float,
        heartbeat_seconds: float,
        stopping: threading.Event,
    ) -> None:
        self._database = database
        self._job_id = job_id
        self._lease = lease
        self._lease_seconds = lease_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._stopping = stopping
        self._lock = threading.Lock()
        self._progress = jobs.Progress(None, None, None, None, None)
        self._written = self._progress
        # Where the present count (of a unit, up to a total) began: what the time left is reckoned from.
        self._counting: tuple[str, int | None] | None = None
        self._counting_from = (0.0, 0)
        self._points: list[metrics.Point] = []
        self._interruption: Interrupted | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pulse-{job_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The last beat writes what is still in memory: the job's outcome comes after its metrics."""
        self._ended.set()
        self._thread.join()
        if not isinstance(self._interruption, LeaseLost) and (self._points or error is not None):
            self._beat()

    def write_rest(self, session: Session) -> None:
        """What the last beat could not, in the transaction of the outcome, which fences it."""
        metrics.write(session, self._job_id, self._points)

    # ---- for the work

    def phase(self, name: str) -> None:
        with self._lock:
            self._progress = replace(self._progress, phase=name)
        self.check()

    def progress(self, done: int, total: int | None, unit: str) -> None:
        with self._lock:
            eta = self._eta(done, total, unit)
            self._progress = jobs.Progress(self._progress.phase, done, total, unit, eta)
        self.check()

    def metric(self, name: str, step: int, value: float, epoch: int | None = None) -> None:
        with self._lock:
            self._points.append(metrics.Point(name, step, float(value), epoch))

    def check(self) -> None:
        if self._interruption is not None:
            raise self._interruption
        if self._stopping.is_set():
            raise Stopping

    # ---- the thread

    def _eta(self, done: int, total: int | None, unit: str) -> float | None:
        """Seconds left if it goes on as it did since this count began; None before that can be told."""
        now = time.monotonic()
        if self._counting != (unit, total):
            self._counting, self._counting_from = (unit, total), (now, done)
        since, first = self._counting_from
        if total is None or done <= first or now - since < 1:
            return None
        return round((now - since) * (total - done) / (done - first), 1)

    def _run(self) -> None:
        while not self._ended.wait(self._heartbeat_seconds):
            self._beat()
            if self._interruption is not None:
                return

    def _beat(self) -> None:
        with self._lock:
            progress, points = self._progress, self._points
            self._points = []
        changed = progress if progress != self._written else None
        try:
            with self._database.write() as session:
                job = jobs.heartbeat(
                    session, self._job_id, self._lease, lease_seconds=self._lease_seconds, progress=changed
                )
                if job is not None:
                    metrics.write(session, self._job_id, points)
                    if changed is not None and progress.phase != self._written.phase:
                        jobs.note_phase(session, job)
        except sa.exc.SQLAlchemyError as error:
            log.warning(
                "job %s: can't write its heartbeat, will try again: %s",
                self._job_id,
                str(error).splitlines()[0],
            )
            with self._lock:
                self._points = points + self._points
            return
        self._written = progress
        if job is None:
            self._interruption = LeaseLost()
        elif job.cancel_requested_at is not None:
            self._interruption = Cancelled()
        elif job.pause_requested_at is not None:
            self._interruption = Paused()
