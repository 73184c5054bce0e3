"""Jobs of lost workers are rescued, each once, and wait longer each time."""

import datetime
import uuid

import pytest

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.jobs import State
from tests.factories import LONG_AGO, change_job, claimed, new_job, states_of
from tests.integration.shared.jobs.verbs import (
    expire,
    lose,
    next_claim,
    row,
)
from tests.waiting import at_once


def test_rescue_waits_longer_each_time_and_no_claim_comes_before(database: Database) -> None:
    job_id = new_job(database, max_attempts=10)
    waits = []
    for _ in range(7):
        lose(database, job_id)
        kept = row(database, job_id)
        waits.append((kept["available_at"] - kept["queued_at"]).total_seconds())
        with database.write() as session:
            assert next_claim(session) is None
    assert waits == pytest.approx([2, 4, 8, 16, 32, 60, 60], abs=0.5)
    assert (kept["worker"], kept["lease"], kept["phase"]) == (None, None, None)


def test_a_job_that_loses_all_its_workers_fails_and_says_so(database: Database) -> None:
    job_id = new_job(database, max_attempts=3)
    for _ in range(3):
        lose(database, job_id)
    kept = row(database, job_id)
    assert (kept["state"], kept["error_type"], kept["attempt"]) == ("failed", "WorkerLost", 3)
    assert "worker lost was lost (attempt 3 of 3)" in kept["error_message"]
    assert "\n" not in kept["error_message"]
    assert states_of(database, job_id) == ["queued", *["running", "queued"] * 2, "running", "failed"]


def test_a_job_that_loses_its_worker_says_how_much_memory_that_had_at_last(database: Database) -> None:
    job_id = new_job(database, max_attempts=2)
    usage = jobs.Usage(1, 3_200_000_000, 4_000_000_000, 3_300_000_000, 60.0)
    claim = claimed(database, job_id, "lost")
    with database.write() as session:
        held = jobs.heartbeat(
            session, job_id, claim.lease, lease_seconds=30, progress=None, usage=usage.after(claim.usage)
        )
        assert held is not None
    expire(database, job_id)
    with database.write() as session:
        jobs.rescue(session)
        (*_, event) = jobs.events(session, job_id)
    assert event.message is not None
    assert event.message.endswith("(attempt 1 of 2); it had 3.2 GB at last, the limit is 4 GB")
    # The second attempt is lost before its first sample: what the first had says nothing of it.
    lose(database, job_id)
    kept = row(database, job_id)
    assert "the job may need more memory than its worker has, or hang" in kept["error_message"]
    assert kept["usage"]["peak_memory_bytes"] == 3_300_000_000


@pytest.mark.parametrize("max_attempts", [1, 3])
def test_a_job_that_was_to_be_cancelled_when_its_worker_was_lost_is_cancelled(
    database: Database, max_attempts: int
) -> None:
    job_id = new_job(database, max_attempts=max_attempts)
    claimed(database, job_id)
    with database.write() as session:
        jobs.cancel(session, job_id)
    expire(database, job_id)
    with database.write() as session:
        jobs.rescue(session)
    kept = row(database, job_id)
    assert kept["state"] == State.CANCELLED
    assert kept["finished_at"] is not None


def test_rescue_leaves_living_workers_alone_and_takes_the_oldest_first(database: Database) -> None:
    living = new_job(database)
    claimed(database, living)
    lost = [new_job(database) for _ in range(3)]
    for age, job_id in enumerate(lost):
        claimed(database, job_id)
        change_job(database, job_id, lease_expires_at=LONG_AGO - datetime.timedelta(days=age))
    with database.write() as session:
        assert [job.id for job in jobs.rescue(session, limit=2)] == [lost[2], lost[1]]
    assert row(database, lost[0])["state"] == row(database, living)["state"] == State.RUNNING


def test_several_sweepers_at_once_rescue_each_job_once(database: Database) -> None:
    lost = [new_job(database) for _ in range(20)]
    for job_id in lost:
        claimed(database, job_id)
        expire(database, job_id)

    def sweep(_: int) -> list[uuid.UUID]:
        with database.write() as session:
            return [job.id for job in jobs.rescue(session)]

    at_once(8, sweep)
    with database.write() as session:  # what a sweeper skipped because another one had it
        assert jobs.rescue(session) == []
    for job_id in lost:
        assert states_of(database, job_id) == ["queued", "running", "queued"]


def test_a_job_that_was_to_be_paused_when_its_worker_was_lost_is_paused(database: Database) -> None:
    job_id = new_job(database)
    claimed(database, job_id)
    with database.write() as session:
        jobs.pause(session, job_id)
    expire(database, job_id)
    with database.write() as session:
        assert [job.state for job in jobs.rescue(session)] == [State.PAUSED]


def test_ready_jobs_are_those_that_could_have_been_claimed_for_so_long(database: Database) -> None:
    old, _, later = new_job(database), new_job(database), new_job(database)
    change_job(database, old, available_at=LONG_AGO)
    change_job(database, later, available_at=datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC))
    with database.read() as session:
        assert jobs.count_ready(session, "cpu", 60) == 1
        assert jobs.count_ready(session, "cpu", 0) == 2
        assert jobs.count_ready(session, "gpu", 0) == 0
