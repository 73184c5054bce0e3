"""What its owner may do with a job: cancel it, try it again, pause and resume it."""

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.jobs import State
from tests.factories import claimed, new_job
from tests.integration.shared.jobs.verbs import LEASE_SECONDS, lose, next_claim, row


def test_cancel_of_a_queued_job_is_at_once(database: Database) -> None:
    job_id = new_job(database)
    with database.write() as session:
        assert jobs.cancel(session, job_id).state == State.CANCELLED
    kept = row(database, job_id)
    assert kept["finished_at"] is not None
    with database.write() as session:
        assert next_claim(session) is None


def test_cancel_of_a_running_job_is_a_request_that_its_heartbeat_brings(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        assert jobs.cancel(session, job_id).state == State.RUNNING
    asked = row(database, job_id)["cancel_requested_at"]
    with database.write() as session:
        job = jobs.heartbeat(session, job_id, lease, lease_seconds=LEASE_SECONDS, progress=None)
    assert job is not None
    assert job.cancel_requested_at is not None
    with database.write() as session:  # once more is no error, and the first request stands
        jobs.cancel(session, job_id)
    assert row(database, job_id)["cancel_requested_at"] == asked
    with database.write() as session:
        assert jobs.finish_cancel(session, job_id, lease) is not None
    assert row(database, job_id)["state"] == State.CANCELLED


def test_retry_begins_anew_with_a_fresh_budget(database: Database) -> None:
    job_id = new_job(database, max_attempts=2)
    lose(database, job_id)
    lose(database, job_id)
    failed = row(database, job_id)
    assert failed["state"] == State.FAILED
    with database.write() as session:
        jobs.retry(session, job_id, 2)
    kept = row(database, job_id)
    assert (kept["state"], kept["attempt"], kept["max_attempts"]) == ("queued", 2, 4)
    for name in ("error_type", "error_message", "finished_at", "cancel_requested_at", "phase", "result"):
        assert kept[name] is None, name
    assert kept["created_at"] == failed["created_at"]
    assert kept["queued_at"] > failed["queued_at"]
    lose(database, job_id)
    assert row(database, job_id)["state"] == State.QUEUED
    lose(database, job_id)
    assert row(database, job_id)["state"] == State.FAILED


def test_a_cancelled_job_that_is_retried_runs(database: Database) -> None:
    job_id = new_job(database)
    with database.write() as session:
        jobs.cancel(session, job_id)
    with database.write() as session:
        jobs.retry(session, job_id, 3)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        job = jobs.heartbeat(session, job_id, lease, lease_seconds=LEASE_SECONDS, progress=None)
    assert job is not None
    assert job.cancel_requested_at is None


def test_a_running_job_is_paused_by_its_worker_without_costing_an_attempt(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        assert jobs.pause(session, job_id).state == State.RUNNING
    with database.write() as session:
        told = jobs.heartbeat(session, job_id, lease, lease_seconds=LEASE_SECONDS, progress=None)
        assert told is not None
        assert told.pause_requested_at is not None
    with database.write() as session:
        released = jobs.release(session, job_id, lease)
        assert released is not None
        assert (released.state, released.attempt) == (State.PAUSED, 0)
    with database.write() as session:
        assert next_claim(session) is None
    with database.write() as session:
        again = jobs.resume(session, job_id)
        assert (again.state, again.pause_requested_at) == (State.QUEUED, None)
    claimed(database, job_id)


def test_a_job_resumed_before_its_worker_has_paused_it_runs_on(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        jobs.pause(session, job_id)
    with database.write() as session:
        assert jobs.resume(session, job_id).state == State.RUNNING
    with database.write() as session:
        released = jobs.release(session, job_id, lease)
        assert released is not None
        assert released.state == State.QUEUED
