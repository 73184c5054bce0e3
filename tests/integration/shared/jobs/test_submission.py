"""A submitted job keeps what was asked, and is one job for one key."""

import uuid

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.errors import Conflict
from jobyard.shared.jobs import Job, JobEvent
from tests.factories import new_job, states_of, submit
from tests.integration.shared.jobs.verbs import THREADS, row
from tests.waiting import at_once


def test_submit_makes_a_queued_job_that_keeps_what_was_asked(database: Database) -> None:
    spec = {"texts": ["NUL \x00, snowman ☃, quote '\""], "thresholds": {"positive": 0.05}}
    job_id = new_job(database, spec=spec, priority=7, max_attempts=4)
    kept = row(database, job_id)
    assert kept["spec"] == spec
    assert (kept["state"], kept["priority"], kept["attempt"], kept["max_attempts"]) == ("queued", 7, 0, 4)
    assert kept["result"] is None
    assert states_of(database, job_id) == ["queued"]


def test_one_key_in_sixteen_threads_makes_one_job(database: Database) -> None:
    def one(_: int) -> tuple[uuid.UUID, bool]:
        with database.write() as session:
            job, is_new = jobs.submit(
                session,
                kind="sentiment",
                queue="cpu",
                spec={"texts": ["one"]},
                priority=5,
                max_attempts=3,
                idempotency_key="key",
                request_sha256="a" * 64,
            )
            return job.id, is_new

    answers = at_once(THREADS, one)
    assert len({job_id for job_id, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Job)) == 1
        assert session.scalar(sa.select(sa.func.count()).select_from(JobEvent)) == 1


def test_a_key_for_another_request_is_a_conflict_that_names_the_first_job(database: Database) -> None:
    first = new_job(database, idempotency_key="key", request_sha256="a" * 64)
    with database.write() as session, pytest.raises(Conflict, match=str(first)):
        submit(session, idempotency_key="key", request_sha256="b" * 64)
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Job)) == 1


def test_jobs_without_a_key_are_all_new(database: Database) -> None:
    assert new_job(database) != new_job(database)
