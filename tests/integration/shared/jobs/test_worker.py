"""What a worker may do with its job: renew its lease, put it back, keep checkpoints; nothing without it."""

import datetime
import uuid

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import Job, JobEvent, Progress, State
from jobyard.shared.jobs.worker import TRY_SECONDS
from tests.factories import LONG_AGO, change, change_job, claimed, new_job, states_of
from tests.integration.shared.jobs.verbs import LEASE_SECONDS, VERBS, expire, row, timeline


def test_heartbeat_renews_the_lease_and_only_progress_is_a_new_version(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    expire(database, job_id)
    before = row(database, job_id)
    with database.write() as session:
        jobs.heartbeat(session, job_id, lease, lease_seconds=LEASE_SECONDS, progress=None)
    silent = row(database, job_id)
    assert silent["lease_expires_at"] > before["lease_expires_at"]
    assert {**silent, "lease_expires_at": LONG_AGO} == {**before, "lease_expires_at": LONG_AGO}
    with database.write() as session:
        told = Progress("scoring", 10, 40, "texts", 1.5)
        jobs.heartbeat(session, job_id, lease, lease_seconds=LEASE_SECONDS, progress=told)
    spoken = row(database, job_id)
    assert spoken["version"] == before["version"] + 1
    assert (spoken["phase"], spoken["progress_done"], spoken["progress_total"]) == ("scoring", 10, 40)
    assert (spoken["progress_unit"], spoken["eta_seconds"]) == ("texts", 1.5)


@pytest.mark.parametrize("verb", ["heartbeat", "succeed", "fail", "finish_cancel", "release", "postpone"])
def test_a_worker_that_lost_its_lease_changes_nothing(database: Database, verb: str) -> None:
    job_id = new_job(database)
    old = claimed(database, job_id, "lost").lease
    expire(database, job_id)
    with database.write() as session:
        assert [job.id for job in jobs.rescue(session)] == [job_id]
    change_job(database, job_id, available_at=LONG_AGO)
    claimed(database, job_id, "next")
    before, events_before = row(database, job_id), states_of(database, job_id)
    with database.write() as session:
        assert not VERBS[verb](session, job_id, old)
    assert row(database, job_id) == before
    assert states_of(database, job_id) == events_before


def test_an_expired_lease_that_nobody_took_is_still_its_workers(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    expire(database, job_id)
    with database.write() as session:
        assert jobs.succeed(session, job_id, lease, {"count": 1}) is True
    assert row(database, job_id)["result"] == {"count": 1}


def test_release_costs_no_attempt_and_no_wait(database: Database) -> None:
    job_id = new_job(database, max_attempts=1)
    for _ in range(3):
        lease = claimed(database, job_id).lease
        with database.write() as session:
            assert jobs.release(session, job_id, lease) is not None
    kept = row(database, job_id)
    assert (kept["state"], kept["attempt"], kept["worker"]) == ("queued", 0, None)


def test_release_of_a_job_that_was_to_be_cancelled_cancels_it(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        jobs.cancel(session, job_id)
    with database.write() as session:
        jobs.release(session, job_id, lease)
    assert row(database, job_id)["state"] == State.CANCELLED


def seconds_until_ready(database: Database, job_id: uuid.UUID) -> float:
    with database.read() as session:
        wait = sa.select(Job.available_at, utcnow()).where(Job.id == job_id)
        available, now = session.execute(wait).one()
    return float((available - now).total_seconds())


def postponed(database: Database, job_id: uuid.UUID, *, ran_seconds: float = 0.0) -> float:
    """For how long, after its delay is over and it has run for this time once more."""
    waited = row(database, job_id)
    ago = datetime.timedelta(days=1)
    times = {name: waited[name] - ago for name in ("queued_at", "available_at")}
    change_job(database, job_id, **times)
    change(database, JobEvent, JobEvent.job_id == job_id, at=LONG_AGO)
    lease = claimed(database, job_id).lease
    change(database, JobEvent, JobEvent.id == timeline(database, job_id)[-1].id, at=utcnow(-ran_seconds))
    with database.write() as session:
        assert jobs.postpone(session, job_id, lease, "the disk is full") is not None
    return seconds_until_ready(database, job_id)


def test_a_postponed_job_costs_no_attempt_and_waits_twice_as_long_each_time(database: Database) -> None:
    job_id = new_job(database, max_attempts=1)
    for delay in (5, 10, 20, 40, 80, 160, 300, 300):
        assert delay - 5 < postponed(database, job_id) <= delay
    kept = row(database, job_id)
    assert (kept["state"], kept["attempt"], kept["worker"]) == ("queued", 0, None)
    assert timeline(database, job_id)[-1].message == "the disk is full; next try in 300 s"


def test_a_job_that_could_run_in_between_waits_for_a_short_time_again(database: Database) -> None:
    """A training of days was put off by five minutes for an outage of a second."""
    job_id = new_job(database)
    assert 0 < postponed(database, job_id, ran_seconds=80_000) <= 5
    assert 5 < postponed(database, job_id, ran_seconds=TRY_SECONDS / 2) <= 10
    assert 0 < postponed(database, job_id, ran_seconds=TRY_SECONDS + 1) <= 5


def test_a_job_that_is_postponed_is_paused_or_cancelled_if_its_owner_asked_for_that(
    database: Database,
) -> None:
    for ask, state in [(jobs.pause, State.PAUSED), (jobs.cancel, State.CANCELLED)]:
        job_id = new_job(database)
        lease = claimed(database, job_id).lease
        with database.write() as session:
            ask(session, job_id)
        with database.write() as session:
            jobs.postpone(session, job_id, lease, "the disk is full")
        assert row(database, job_id)["state"] == state


def test_a_checkpoint_is_kept_by_who_holds_the_lease_only_and_until_a_retry(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        assert jobs.keep_checkpoint(session, job_id, uuid.uuid4(), "checkpoints/stale") is None
        assert jobs.keep_checkpoint(session, job_id, lease, "checkpoints/1") is not None
    with database.write() as session:
        jobs.release(session, job_id, lease)
    assert row(database, job_id)["checkpoint_key"] == "checkpoints/1"
    with database.write() as session:
        jobs.cancel(session, job_id)
        jobs.retry(session, job_id, 3)
    assert row(database, job_id)["checkpoint_key"] is None
