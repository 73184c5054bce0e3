"""Work that hangs, in a real worker: it is seen, and ended where it is to be; the worker does other jobs."""

import re
import uuid
from collections.abc import Callable

import psutil
import pytest

from jobyard.shared import jobs
from jobyard.shared.jobs import Job, State
from tests.factories import get_job
from tests.waiting import wait_for
from tests.worker_process import LEASE_SECONDS, WorkerProcess


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def is_true_of(worker: WorkerProcess, job_id: uuid.UUID, what: Callable[[Job], object]) -> Job:
    """The job, once it is so."""
    wait_for(lambda: what(get_job(worker.database, job_id)))
    return get_job(worker.database, job_id)


def process_of(job: Job) -> int:
    """The id of the process that runs it."""
    assert job.worker is not None
    return int(job.worker.rpartition("/")[2])


def told(worker: WorkerProcess, job_id: uuid.UUID) -> list[tuple[str | None, str | None]]:
    """The messages of its timeline, with their tracebacks."""
    with worker.database.read() as session:
        return [(event.message, event.traceback) for event in jobs.events(session, job_id)]


def traceback_of(worker: WorkerProcess, job_id: uuid.UUID, message: str) -> str:
    (found,) = (trace for text, trace in told(worker, job_id) if text and re.match(message, text))
    return found or ""


def test_a_job_without_progress_is_reported_and_a_cancel_ends_it(worker: WorkerProcess) -> None:
    worker.start()
    job_id = worker.submit("asleep")
    job = is_true_of(worker, job_id, lambda job: job.stalled_since)
    hung = process_of(job)
    assert "time.sleep(600)" in traceback_of(worker, job_id, r"no progress for \d")
    with worker.database.write() as session:
        jobs.cancel(session, job_id)
    is_true_of(worker, job_id, lambda job: job.state == State.CANCELLED)
    ended = rf"its work did not stop within {LEASE_SECONDS}\.0 s"
    assert "time.sleep(600)" in traceback_of(worker, job_id, ended)
    wait_for(lambda: not psutil.pid_exists(hung))
    assert worker.does_another()


def test_a_stalled_job_is_restarted_if_that_is_set_and_its_process_ended(worker: WorkerProcess) -> None:
    worker.start(STALL_ACTION="restart", STALL_SECONDS="60,hang=0.5")
    job_id = worker.submit("waiting")
    hung = process_of(is_true_of(worker, job_id, lambda job: job.state == State.RUNNING))
    is_true_of(worker, job_id, lambda job: job.attempt == 1 and job.state == State.QUEUED)
    assert "time.sleep(0.05)" in traceback_of(worker, job_id, r"no progress for .*\(attempt 1 of 3\)")
    wait_for(lambda: not psutil.pid_exists(hung))
    assert worker.does_another()
    job = is_true_of(worker, job_id, lambda job: job.state == State.SUCCEEDED)
    assert job.result == {"attempt": 2}


def test_a_process_that_can_run_no_python_ends_and_its_job_runs_again(worker: WorkerProcess) -> None:
    worker.start(STALL_ACTION="restart")
    job_id = worker.submit("locked")
    hung = process_of(is_true_of(worker, job_id, lambda job: job.state == State.RUNNING))

    def is_rescued() -> bool:
        with worker.database.write() as session:
            return bool(jobs.rescue(session))

    wait_for(is_rescued)
    wait_for(lambda: not psutil.pid_exists(hung))
    assert "hanging_kind_work.py" in worker.log.read_text()
    assert worker.does_another()
    is_true_of(worker, job_id, lambda job: job.state == State.SUCCEEDED)
