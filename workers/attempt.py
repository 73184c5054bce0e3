"""One attempt at a job: claim, work, outcome."""

import logging
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from shared import catalog, jobs, metrics, specs
from shared.errors import Cancelled, Interrupted, JobyardError, LeaseLost, Paused, Stopping
from shared.storage import Stored
from workers.checkpoints import Checkpoints
from workers.process import Process
from workers.pulse import Pulse
from workers.report import Report

log = logging.getLogger(__name__)

# What a kind of work hands back: called in the transaction that makes the job succeed, it adds its rows
# (a model, predictions, artifacts) and returns the job's result.
Finish = Callable[[Session], dict[str, Any]]


@dataclass
class Attempt:
    """What the work of one attempt may use."""

    here: Process
    job_id: uuid.UUID
    report: Report
    scratch: Path
    checkpoints: Checkpoints
    # Keys in the storage that go if the job does not succeed, and those that go even then.
    stored: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)

    def store(self, folder: str, path: Path) -> Stored:
        """Put a file into the storage; it is removed again unless the job succeeds."""
        stored = self.here.storage.put_file(folder, path)
        self.stored.append(stored.key)
        return stored


Work = Callable[[Attempt, Any], Finish]

# How long an outcome waits for a database that is away, and how long if the worker is being stopped.
PATIENCE_SECONDS = 600.0
STOPPING_SECONDS = 2.0


def run(
    here: Process, works: dict[str, Work], job_id: uuid.UUID, worker: str, stopping: threading.Event
) -> jobs.Job | None:
    """Claim the job, do its work, and write what came of it. Never raises for the work's sake.

    Returns the job as this attempt left it; None if it was not (or is no longer) this worker's.
    """
    with here.database.write() as session:
        job = jobs.claim(session, job_id, worker=worker, lease_seconds=here.settings.lease_seconds)
        if job is not None:  # who goes on from a checkpoint tells again what was before it
            metrics.clear(session, job_id)
    if job is None or job.lease is None:
        log.info("job %s: nothing to claim, somebody else has it or had it", job_id)
        return None
    lease = job.lease
    attempt: Attempt | None = None
    ended: jobs.Job | None = None
    try:
        spec = specs.SPECS[job.kind].model_validate(job.spec)
        with here.scratch() as scratch:
            pulse = Pulse(
                here.database,
                job.id,
                lease,
                lease_seconds=here.settings.lease_seconds,
                heartbeat_seconds=here.settings.heartbeat_seconds,
                stopping=stopping,
            )
            attempt = Attempt(here, job.id, pulse, scratch, Checkpoints(here, job, lease, scratch))
            with pulse:
                finish = works[job.kind](attempt, spec)
            ended = _write(here, stopping, lambda session: _succeed(session, job.id, lease, finish, pulse))
            if ended is None:  # a job that was done is not failed for that: it runs again
                raise LeaseLost
        attempt.stored = attempt.unwanted
        log.info("job %s: succeeded", job.id)
    except Interrupted as interruption:
        ended = _let_go(here, stopping, job.id, lease, interruption)
    except JobyardError as error:
        ended = _fail(here, stopping, job.id, lease, error, error.message)
    except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        # That the database is away is not the job's fault. Its lease runs out, and it runs again; an
        # error that is always there ends it after as many attempts as a lost worker does.
        log.error("job %s: the database failed it: %s", job.id, error)
    except Exception as error:  # noqa: BLE001 - whatever the work does, the job ends and the worker goes on
        message = f"unexpected {_named(error)}; the job's timeline has the traceback"
        ended = _fail(here, stopping, job.id, lease, error, message)
    finally:
        if attempt is not None and attempt.stored:
            _remove(here, attempt.stored)
        if attempt is not None and ended is not None and ended.terminal:
            attempt.checkpoints.discard()
    return ended


def _remove(here: Process, keys: list[str]) -> None:
    """Delete what no row refers to: a commit whose answer was lost may have made the job succeed."""
    try:
        with here.database.read() as session:
            kept = catalog.in_use(session, keys)
    except sa.exc.SQLAlchemyError as error:
        log.warning("left in the storage, the database can't be asked: %s: %s", ", ".join(keys), error)
        return
    for key in keys:
        if key not in kept:
            here.storage.delete(key)


def _succeed(session: Session, job_id: uuid.UUID, lease: uuid.UUID, finish: Finish, pulse: Pulse) -> jobs.Job:
    job = jobs.succeed(session, job_id, lease, finish(session))
    if job is None:
        raise LeaseLost  # which rolls back what `finish` added
    pulse.write_rest(session)
    return job


def _let_go(
    here: Process,
    stopping: threading.Event,
    job_id: uuid.UUID,
    lease: uuid.UUID,
    interruption: Interrupted,
) -> jobs.Job | None:
    log.info("job %s: %s", job_id, interruption.message)
    match interruption:
        case Cancelled():
            return _write(here, stopping, lambda session: jobs.finish_cancel(session, job_id, lease))
        case Paused() | Stopping():
            job = _write(here, stopping, lambda session: jobs.release(session, job_id, lease))
            if job is not None and job.state == jobs.State.QUEUED:
                here.broker.send(job)
            return job
        case _:  # the lease is lost: whoever holds the job now decides what becomes of it
            return None


def _fail(
    here: Process,
    stopping: threading.Event,
    job_id: uuid.UUID,
    lease: uuid.UUID,
    error: Exception,
    message: str,
) -> jobs.Job | None:
    message, trace = _storable(message), _storable("".join(traceback.format_exception(error)))
    log.error("job %s: failed: %s\n%s", job_id, message, trace)
    kind = type(error).__name__
    return _write(
        here,
        stopping,
        lambda session: jobs.fail(session, job_id, lease, error_type=kind, message=message, traceback=trace),
    )


def _write(
    here: Process, stopping: threading.Event, change: Callable[[Session], jobs.Job | None]
) -> jobs.Job | None:
    """Write the outcome, however long the database is away: days of work may hang on it.

    Trying again is harmless: what was written after all no longer holds the lease. None once the
    patience is spent, which is soon if the worker is being stopped: then the lease runs out by itself.
    """
    began = time.monotonic()
    pause = 0.25
    while True:
        try:
            with here.database.write() as session:
                return change(session)
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            waited = time.monotonic() - began
            if waited > (STOPPING_SECONDS if stopping.is_set() else PATIENCE_SECONDS):
                log.error("can't write a job's outcome, gave up: %s", error)
                return None
            log.warning("can't write a job's outcome yet: %s", str(error).splitlines()[0])
        time.sleep(pause)
        # Soon enough once the database is back: the sweeper waits a lease before it takes the job away.
        pause = min(pause * 2, 5.0, here.settings.lease_seconds / 3)


def _storable(text: str) -> str:
    """Without what a database refuses in a text: NUL, and the surrogates of odd file names."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _named(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:500]}" if lines else type(error).__name__
