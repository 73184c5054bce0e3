"""The heartbeat of a running job: a thread that renews its lease, writes its progress and learns of requests.

The work itself never touches SQL: it keeps phase, progress and metrics in memory, and a database that is
unreachable for a while neither slows nor kills it.
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

from jobyard.shared import jobs, metrics
from jobyard.shared.database import Database
from jobyard.shared.errors import Cancelled, Interrupted, LeaseLost, Paused, Stopping
from jobyard.workers.runtime.hung import Watch
from jobyard.workers.runtime.output import OutputWriter
from jobyard.workers.runtime.usage import Meter, Sample

log = logging.getLogger(__name__)

# The thread ends after so many turns without a job, and is started again for the next one.
IDLE_HEARTBEATS = 10


class HeartbeatThread:
    """The thread that sends heartbeats: one for all jobs of a process, most of which are short."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # Held while a heartbeat is being sent, so that `detach` waits for it.
        self._lock = threading.Lock()
        self._heartbeat: Heartbeat | None = None
        self._thread: threading.Thread | None = None

    def attach(self, heartbeat: "Heartbeat") -> None:
        """Send this job's heartbeats from now on."""
        with self._lock:
            self._heartbeat = heartbeat
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
                self._thread.start()

    def detach(self) -> None:
        """Send no more; returns when the last one has been sent."""
        with self._lock:
            self._heartbeat = None

    def _run(self) -> None:
        idle = 0
        while idle < IDLE_HEARTBEATS:
            time.sleep(self._seconds)
            with self._lock:
                idle = 0 if self._heartbeat else idle + 1
                if self._heartbeat:
                    try:
                        self._heartbeat.send()
                    except Exception:  # a thread that died would cost every later job its lease
                        log.exception("an unexpected error in a heartbeat")
                elif idle == IDLE_HEARTBEATS:
                    self._thread = None


class Heartbeat:
    """Implements `Progress` for one lease. A context manager: heartbeats are sent within."""

    def __init__(
        self,
        heartbeats: HeartbeatThread,
        database: Database,
        job_id: uuid.UUID,
        lease: uuid.UUID,
        *,
        lease_seconds: float,
        stopping: threading.Event,
        watch: Watch,
        meter: Meter,
        output: OutputWriter,
    ) -> None:
        self._heartbeats = heartbeats
        self._database = database
        self._job_id = job_id
        self._lease = lease
        self._lease_seconds = lease_seconds
        self._stopping = stopping
        self._watch = watch
        self._meter = meter
        self._output = output
        # What the work has told: while this number stands, it makes no progress.
        self._steps = 0
        self._lock = threading.Lock()
        self._progress = jobs.Progress(None, None, None, None, None)
        self._written = self._progress
        # Where the present count (of a unit, up to a total) began: the time left is computed from it.
        self._counting: tuple[str, int | None] | None = None
        self._counting_from = (0.0, 0)
        self._points: list[metrics.Point] = []
        # Of the work and of what the job uses: whether this attempt has written any.
        self._begun: set[bool] = set()
        self._interruption: Interrupted | None = None

    def __enter__(self) -> Self:
        self._heartbeats.attach(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The last heartbeat writes what is still in memory: the job's outcome comes after its metrics."""
        self._heartbeats.detach()
        sample = self._meter.last()
        has_more = bool(self._points or sample or self._output.waits or error is not None)
        if has_more and not isinstance(self._interruption, LeaseLost):
            self._send(sample, last=True)

    @property
    def has_rest(self) -> bool:
        """Whether `write_rest` writes anything."""
        return bool(self._points or self._output.waits)

    def write_rest(self, session: Session) -> None:
        """Write what the last heartbeat could not, in the transaction of the outcome."""
        self._write(session, self._points)
        self._output.take(last=True)
        self._output.write(session)

    # ---- for the work

    def phase(self, name: str) -> None:
        with self._lock:
            self._progress = replace(self._progress, phase=name)
        self.check()

    def update(self, done: int, total: int | None, unit: str) -> None:
        with self._lock:
            eta = self._eta(done, total, unit)
            self._progress = jobs.Progress(self._progress.phase, done, total, unit, eta)
        self.check()

    def metric(self, name: str, step: int, value: float, epoch: int | None = None) -> None:
        with self._lock:
            self._points.append(metrics.Point(name, step, float(value), epoch))
        self._steps += 1

    def check(self, *, waiting: bool = False) -> None:
        if not waiting:
            self._steps += 1
        if self._interruption is not None:
            # Another one: its traceback leads to this object, and would keep all that the work holds.
            raise type(self._interruption)
        if self._stopping.is_set():
            raise Stopping

    # ---- for the thread

    def send(self) -> None:
        """Renew the lease, write progress and metrics, learn of requests; never raises for the database.

        Ends this process if its work has hung.
        """
        if not isinstance(self._interruption, LeaseLost):
            self._send(self._meter.look())
        asked = self._interruption or (Stopping() if self._stopping.is_set() else None)
        self._watch.look(self._steps, asked)

    def _eta(self, done: int, total: int | None, unit: str) -> float | None:
        """Seconds left at the rate since this count began; None while that is unknown."""
        now = time.monotonic()
        if self._counting != (unit, total):
            self._counting, self._counting_from = (unit, total), (now, done)
        since, first = self._counting_from
        if total is None or done <= first or now - since < 1:
            return None
        return round((now - since) * (total - done) / (done - first), 1)

    def _send(self, sample: Sample | None, *, last: bool = False) -> None:
        with self._lock:
            self._points += sample.points if sample else ()
            progress, points = self._progress, self._points
            self._points = []
        changed = progress if progress != self._written else None
        has_new_phase = progress.phase != self._written.phase
        has_output = self._output.take(last=last)
        is_single = not points and not has_new_phase and not has_output
        try:
            with self._database.begin(single=is_single) as connection, Session(connection) as session:
                job = jobs.heartbeat(
                    session,
                    self._job_id,
                    self._lease,
                    lease_seconds=self._lease_seconds,
                    progress=changed,
                    usage=sample.usage if sample else None,
                )
                if job is not None:
                    self._write(session, points)
                    self._output.write(session)
                    if has_new_phase:
                        jobs.note_phase(session, job)
        except sa.exc.SQLAlchemyError as error:
            log.warning(
                "job %s: can't write its heartbeat, retrying: %s",
                self._job_id,
                str(error).splitlines()[0],
            )
            with self._lock:
                self._points = points + self._points
            return
        self._written = progress
        self._output.written()
        self._begun |= {point.is_system for point in points}
        if job is None:
            self._interruption = LeaseLost()
        elif job.cancel_requested_at is not None:
            self._interruption = Cancelled()
        elif job.pause_requested_at is not None:
            self._interruption = Paused()

    def _write(self, session: Session, points: list[metrics.Point]) -> None:
        """Replaces the history of earlier attempts: after a checkpoint all of it is reported again."""
        for system in {point.is_system for point in points} - self._begun:
            metrics.clear(session, self._job_id, system=system)
        metrics.write(session, self._job_id, points)
