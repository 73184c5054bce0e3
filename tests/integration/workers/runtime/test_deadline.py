"""`spec.deadline_seconds`: a job that takes longer than that from its first start fails, and says so."""

import datetime
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.jobs import State
from jobyard.shared.storage import Storage
from jobyard.workers.runtime.attempt import Attempt, Finish
from jobyard.workers.runtime.sweeper import Sweeper
from tests.factories import LONG_AGO, NO_BROKER, change_job, claimed, get_job, new_job, storage_of
from tests.workers import attempt, make_context, stored_files

if TYPE_CHECKING:
    from flask.testing import FlaskClient

# Only to end a hang.
WAIT_SECONDS = 60


def do(database: Database, verb: Callable[[Session], Any]) -> Any:
    with database.write() as session:
        return verb(session)


def sweep(database: Database, store: Storage | None = None) -> None:
    broker = Broker(Settings(broker_url=NO_BROKER))
    store = store or storage_of(database)
    Sweeper(database, broker, store, lease_seconds=30, retention_days=0).sweep()


def assert_expired(database: Database, job_id: uuid.UUID) -> None:
    job = get_job(database, job_id)
    assert (job.state, job.error_type) == ("failed", "DeadlineExceeded")
    assert job.error_message == "not finished within 60 seconds of its first start, its deadline"
    assert (job.lease, job.result) == (None, None)
    with database.read() as session:
        last = jobs.events(session, job_id)[-1]
    assert (last.state, last.message) == ("failed", job.error_message)


def test_a_job_that_runs_past_its_deadline_fails_at_the_next_sweep_and_its_worker_hears_of_it(
    database: Database,
) -> None:
    job_id = new_job(database, deadline_seconds=60.0)
    lease = claimed(database, job_id).lease
    sweep(database)
    assert get_job(database, job_id).state == State.RUNNING
    change_job(database, job_id, deadline_at=LONG_AGO)
    sweep(database)
    assert_expired(database, job_id)
    for verb in (
        lambda session: jobs.heartbeat(session, job_id, lease, lease_seconds=30, progress=None),
        lambda session: jobs.succeed(session, job_id, lease, {}) or None,
        lambda session: jobs.release(session, job_id, lease),
    ):
        assert do(database, verb) is None
    assert_expired(database, job_id)


def test_the_deadline_counts_from_the_first_start_by_the_clock_of_the_database(database: Database) -> None:
    job_id = new_job(database, deadline_seconds=90.5)
    assert get_job(database, job_id).deadline_at is None
    claimed(database, job_id)
    job = get_job(database, job_id)
    assert job.deadline_at is not None
    assert job.started_at is not None
    length = (job.deadline_at - job.started_at).total_seconds()
    assert length == pytest.approx(90.5, abs=0.1)


@pytest.mark.parametrize("how", ["release", "rescue"])
def test_a_job_that_went_back_to_the_queue_keeps_its_deadline(database: Database, how: str) -> None:
    job_id = new_job(database, deadline_seconds=60.0)
    lease = claimed(database, job_id).lease
    first = get_job(database, job_id).deadline_at
    if how == "release":
        do(database, lambda session: jobs.release(session, job_id, lease))
    else:
        change_job(database, job_id, lease_expires_at=LONG_AGO)
        assert len(do(database, jobs.rescue)) == 1
        change_job(database, job_id, available_at=LONG_AGO)
    assert get_job(database, job_id).state == State.QUEUED
    claimed(database, job_id)
    assert get_job(database, job_id).deadline_at == first


@pytest.mark.parametrize("how", ["release", "rescue"])
def test_a_job_that_went_back_to_the_queue_fails_there_past_its_deadline(
    database: Database, how: str
) -> None:
    job_id = new_job(database, deadline_seconds=60.0)
    lease = claimed(database, job_id).lease
    change_job(database, job_id, deadline_at=LONG_AGO)
    if how == "release":
        do(database, lambda session: jobs.release(session, job_id, lease))
        assert get_job(database, job_id).state == State.QUEUED
    else:
        change_job(database, job_id, lease_expires_at=LONG_AGO)
    sweep(database)
    assert_expired(database, job_id)


def test_a_job_that_has_not_started_and_one_without_a_deadline_never_expire(database: Database) -> None:
    waiting, endless = new_job(database, deadline_seconds=1.0), new_job(database, deadline_seconds=None)
    change_job(database, waiting, created_at=LONG_AGO, queued_at=LONG_AGO)
    claimed(database, endless)
    change_job(database, endless, started_at=LONG_AGO)
    assert do(database, jobs.expire) == []
    assert get_job(database, waiting).state == State.QUEUED
    assert get_job(database, endless).state == State.RUNNING
    assert get_job(database, endless).deadline_at is None


def test_a_retry_has_a_fresh_deadline(database: Database) -> None:
    job_id = new_job(database, deadline_seconds=60.0)
    claimed(database, job_id)
    change_job(database, job_id, deadline_at=LONG_AGO)
    sweep(database)
    assert_expired(database, job_id)
    do(database, lambda session: jobs.retry(session, job_id, 3))
    sweep(database)
    assert get_job(database, job_id).state == State.QUEUED
    claimed(database, job_id)
    assert do(database, jobs.expire) == []
    deadline = get_job(database, job_id).deadline_at
    assert deadline is not None
    assert deadline > LONG_AGO + datetime.timedelta(days=1)


def test_sweepers_at_once_expire_each_job_once(database: Database) -> None:
    late = [new_job(database, deadline_seconds=60.0) for _ in range(20)]
    for job_id in late:
        claimed(database, job_id)
        change_job(database, job_id, deadline_at=LONG_AGO)
    threads = [threading.Thread(target=sweep, args=(database,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for job_id in late:
        with database.read() as session:
            assert [event.state for event in jobs.events(session, job_id)] == ["queued", "running", "failed"]


def test_work_that_is_overtaken_by_its_deadline_stops_and_leaves_nothing(
    database: Database, tmp_path: Path
) -> None:
    context = make_context(database, tmp_path)
    job_id = new_job(database, deadline_seconds=1.0)
    ended = threading.Event()

    def work(attempt: Attempt, _: Any) -> Finish:
        path = attempt.scratch / "artifact"
        path.write_bytes(b"x")
        attempt.store("scored", path)
        ends = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < ends:
            attempt.progress.check()
            time.sleep(0.01)
        raise AssertionError("nobody interrupted the work")

    def sweep_on() -> None:
        while not ended.wait(0.1):
            do(database, jobs.expire)

    sweeper = threading.Thread(target=sweep_on)
    sweeper.start()
    start = time.monotonic()
    job = attempt(context, job_id, work)
    seconds = time.monotonic() - start
    ended.set()
    sweeper.join()
    assert job is None
    assert seconds >= 1
    failed = get_job(database, job_id)
    assert failed.error_message == "not finished within 1 seconds of its first start, its deadline"
    assert stored_files(context) == []


# ---- over HTTP


def with_deadline(seconds: Any) -> dict[str, Any]:
    return {"kind": "sentiment", "spec": {"texts": ["one"], "deadline_seconds": seconds}}


@pytest.mark.parametrize("as_list", [False, True])
def test_the_deadline_of_the_spec_is_the_jobs(
    client: "FlaskClient", database: Database, as_list: bool
) -> None:
    answer = client.post("/api/v1/jobs", json=[with_deadline(60)] if as_list else with_deadline(60)).json
    job = answer["items"][0] if as_list else answer
    assert job["spec"]["deadline_seconds"] == 60
    job_id = uuid.UUID(job["id"])
    claimed(database, job_id)
    change_job(database, job_id, deadline_at=LONG_AGO)
    sweep(database, client.application.extensions["jobyard"].storage)
    assert_expired(database, job_id)
    assert client.get(f"/api/v1/jobs/{job_id}").json["error"]["type"] == "DeadlineExceeded"


@pytest.mark.parametrize("seconds", [0, 0.5, -1, 1e9, "soon"])
def test_a_deadline_that_is_none_is_refused(client: "FlaskClient", seconds: Any) -> None:
    response = client.post("/api/v1/jobs", json=with_deadline(seconds))
    assert response.status_code == 422
    assert [error["field"] for error in response.json["errors"]] == ["spec.deadline_seconds"]
