"""The queues as their watchers see them, and the workers that say that they are there."""

import datetime
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, queue_controls, queues, registrations, tokens
from jobyard.shared.database import Database, utcnow
from jobyard.shared.disk import Disk
from jobyard.shared.doctor import workers as doctor_workers
from jobyard.shared.doctor.findings import Level
from jobyard.shared.jobs import Job
from jobyard.shared.queues import QueueView
from jobyard.shared.registrations import Worker
from jobyard.shared.tokens import Scope
from jobyard.workers.runtime.registration import Registration
from jobyard.workers.runtime.sweeper import tally
from tests import factories
from tests.factories import NEVER, change, new_job, new_jobs, rename_table
from tests.waiting import wait_for

if TYPE_CHECKING:
    from flask.testing import FlaskClient

JOB: dict[str, Any] = {"kind": "sentiment", "spec": {"texts": ["one"]}}
# Of all workers here.
PROCESS = "machine/1/2"
# Only to end a hang.
WAIT_SECONDS = 30
# Of a queue for which nothing was set.
OPEN: dict[str, Any] = {"paused_at": None, "paused_by": None, "pause_reason": None, "limit": None}
NONE_ENDED = {"succeeded": 0, "failed": 0, "cancelled": 0, "failure_rate": None}
OPEN |= {"last_hour": NONE_ENDED, "last_day": NONE_ENDED}


def waited(database: Database, job_id: uuid.UUID, seconds: float) -> None:
    """As if the job could have run for so long already."""
    change(database, Job, Job.id == job_id, available_at=utcnow(-seconds))


def silent(database: Database, name: str, seconds: float) -> None:
    """As if the worker was last heard of so long ago."""
    change(database, Worker, Worker.name == name, seen_at=utcnow(-seconds))


def present(database: Database, name: str, queue: str = "cpu") -> None:
    with database.write() as session:
        registrations.register(session, name=name, queue=queue, process=PROCESS)


def goodbye(database: Database, name: str) -> None:
    with database.write() as session:
        registrations.deregister(session, name=name, process=PROCESS)


def view(database: Database) -> dict[str, QueueView]:
    with database.read() as session:
        return {found.name: found for found in queues.view(session)}


def workers(database: Database, queue: str = "cpu") -> list[str]:
    return view(database)[queue].workers


# ---- what waits and what runs


def test_queues_tell_what_waits_what_runs_and_since_when_and_each_its_own(
    client: "FlaskClient", database: Database
) -> None:
    done, running, old, young, backing_off = (new_job(database) for _ in range(5))
    new_job(database, queue="gpu")
    for job_id in (done, running):
        with database.write() as session:
            claimed = factories.claim(session, job_id)
            assert claimed is not None
            if job_id == done:
                jobs.succeed(session, job_id, claimed.lease, {})
    waited(database, running, 7_000)
    waited(database, old, 90)
    waited(database, young, 30)
    change(database, Job, Job.id == backing_off, available_at=NEVER)
    present(database, "cpu@b")
    present(database, "cpu@a")
    response = client.get("/api/v1/queues")
    assert response.status_code == 200
    of = {item["name"]: item for item in response.json["items"]}
    assert set(of) == {"cpu", "gpu", "predict"}
    assert of["cpu"].pop("oldest_waiting_seconds") == pytest.approx(90, abs=10)
    assert of["cpu"] == {
        "name": "cpu",
        "depth": 3,
        "running": 1,
        "stalled": 0,
        "depth_is_exact": True,
        "workers": ["cpu@a", "cpu@b"],
        "draining": 0,
        "blocked_by": None,
        "owners": [{"name": "admin", "queued": 3, "running": 1}],
        **OPEN,
    }
    assert (of["gpu"]["depth"], of["gpu"]["running"], of["gpu"]["workers"]) == (1, 0, [])
    assert of["gpu"]["blocked_by"] == "no worker runs: start one"
    assert 0 <= of["gpu"]["oldest_waiting_seconds"] < WAIT_SECONDS
    empty = {"name": "predict", "depth": 0, "running": 0, "oldest_waiting_seconds": None, "workers": []}
    empty |= {"depth_is_exact": True, "stalled": 0, "draining": 0, "blocked_by": None, "owners": [], **OPEN}
    assert of["predict"] == empty


def test_a_queue_tells_which_of_its_running_jobs_have_stalled(database: Database) -> None:
    _, stalled, ended = (factories.claimed(database, new_job(database)) for _ in range(3))
    with database.write() as session:
        for claimed in (stalled, ended):
            jobs.note_stall(session, claimed.id, claimed.lease, "no progress", None, seconds=1_860)
        jobs.succeed(session, ended.id, ended.lease, {})
    assert (view(database)["cpu"].running, view(database)["cpu"].stalled) == (2, 1)


def test_a_queue_says_what_keeps_its_jobs_from_starting(database: Database) -> None:
    def blocked() -> str | None:
        return view(database)["cpu"].blocked_by

    present(database, "cpu@a")
    assert blocked() is None
    job_id = new_job(database)
    assert blocked() is None
    waited(database, job_id, queues.IDLE_SECONDS + 30)
    assert str(blocked()).startswith("its workers have claimed nothing for 1 min 30 s")
    with database.write() as session:
        registrations.drain(session, "cpu@a")
    assert blocked() == "all its workers (1) are draining: undrain or start one"
    present(database, "cpu@b")
    running = factories.claimed(database, new_job(database))
    assert blocked() is None
    with database.write() as session:
        jobs.note_stall(session, running.id, running.lease, "no progress", None, seconds=1_860)
    assert str(blocked()).startswith("all its running jobs (1) make no progress")
    with database.write() as session:
        queue_controls.pause(session, "cpu")
    assert blocked() == "it is paused: resume it"


def test_jobs_beyond_the_quota_of_their_token_are_no_fault_of_the_workers(database: Database) -> None:
    def blocked() -> str | None:
        return view(database)["cpu"].blocked_by

    present(database, "cpu@a")
    with database.write() as session:
        tokens.create(
            session, name="ada", scope=Scope.SUBMIT, expires_seconds=None, created_by="admin", max_running=1
        )
    waited(database, new_job(database, created_by="ada"), queues.IDLE_SECONDS + 30)
    assert str(blocked()).startswith("its workers have claimed nothing")
    factories.claimed(database, new_job(database, kind="train", created_by="ada"))
    assert blocked() == queues.AT_QUOTA
    found = [one for one in doctor_workers.check(database) if queues.AT_QUOTA in one.text]
    assert [one.level for one in found] == [Level.OK]
    waited(database, new_job(database, created_by="bob"), queues.IDLE_SECONDS + 30)
    assert str(blocked()).startswith("its workers have claimed nothing")


def test_a_queue_says_whose_most_of_its_jobs_are_and_of_many_what_the_sweeper_counted(
    database: Database,
) -> None:
    def owners() -> list[tuple[str, int, int]]:
        return [(one.name, one.queued, one.running) for one in view(database)["cpu"].owners]

    for number in range(jobs.MOST_OWNERS + 2):
        new_jobs(database, number + 1, created_by=f"t{number}")
    factories.claimed(database, new_job(database, created_by="t6"))
    assert owners() == [("t6", 7, 1), ("t5", 6, 0), ("t4", 5, 0), ("t3", 4, 0), ("t2", 3, 0)]
    new_jobs(database, 2_000, created_by="mallory")
    assert owners() == []
    tally(database)
    assert owners()[:2] == [("mallory", 2_000, 0), ("t6", 7, 1)]
    assert len(owners()) == jobs.MOST_OWNERS
    with database.write() as session:
        session.execute(sa.delete(Job).where(Job.created_by.in_(["mallory", "t6"])))
    assert owners()[0] == ("t5", 6, 0)
    new_jobs(database, 2_000, created_by="t0")
    tally(database)
    assert owners()[:2] == [("t0", 2_001, 0), ("t5", 6, 0)]


def test_a_queue_of_jobs_that_all_back_off_has_nobody_who_waits(database: Database) -> None:
    change(database, Job, Job.id == new_job(database), available_at=NEVER)
    assert (view(database)["cpu"].depth, view(database)["cpu"].oldest_waiting_seconds) == (1, None)


def test_queues_are_not_told_to_strangers(client: "FlaskClient") -> None:
    del client.environ_base["HTTP_AUTHORIZATION"]
    assert client.get("/api/v1/queues").status_code == 401


# ---- who listens


def test_a_worker_is_listed_until_it_says_goodbye_or_was_silent_too_long(database: Database) -> None:
    for name in ("a", "b", "c"):
        present(database, name)
    goodbye(database, "a")
    silent(database, "b", registrations.ALIVE_SECONDS + 1)
    silent(database, "c", registrations.ALIVE_SECONDS - 5)
    assert workers(database) == ["c"]
    present(database, "b")
    assert workers(database) == ["b", "c"]
    goodbye(database, "nobody")
    assert workers(database) == ["b", "c"]


def test_a_worker_that_says_present_again_is_one_row_since_when_it_came(database: Database) -> None:
    present(database, "a")
    change(database, Worker, Worker.name == "a", started_at=utcnow(-100), seen_at=utcnow(-100))
    present(database, "a", "gpu")
    assert (workers(database), workers(database, "gpu")) == ([], ["a"])
    with database.read() as session:
        (row,) = session.scalars(sa.select(Worker))
        assert (row.seen_at - row.started_at).total_seconds() == pytest.approx(100, abs=10)


def test_workers_that_were_silent_for_very_long_are_forgotten_by_the_next_that_speaks(
    database: Database,
) -> None:
    for name in ("gone", "quiet"):
        present(database, name)
    silent(database, "gone", registrations.FORGOTTEN_SECONDS + 1)
    silent(database, "quiet", registrations.FORGOTTEN_SECONDS / 2)
    present(database, "here")
    with database.read() as session:
        assert sorted(session.scalars(sa.select(Worker.name))) == ["here", "quiet"]


def test_many_workers_that_speak_at_once_are_all_heard(database: Database) -> None:
    names = [f"w{number}" for number in range(8)]

    def speak(name: str) -> None:
        for _ in range(5):
            present(database, name)

    threads = [threading.Thread(target=speak, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert workers(database) == names


# ---- what a queued job waits for


def test_a_queued_job_says_that_no_worker_listens_and_its_etag_changes_when_one_comes_or_goes(
    client: "FlaskClient", database: Database
) -> None:
    address = client.post("/api/v1/jobs", json=JOB).json["links"]["self"]
    present(database, "gpu@a", "gpu")

    def look(etag: str | None) -> Any:
        headers = {"If-None-Match": etag} if etag else {}
        return client.get(address, headers=headers)

    alone = look(None)
    assert alone.json["waiting_for"] == "the queue 'cpu' has no running worker"
    assert look(alone.headers["ETag"]).status_code == 304
    present(database, "cpu@a")
    heard = look(alone.headers["ETag"])
    assert (heard.status_code, heard.json["waiting_for"], heard.json["position"]) == (200, None, 1)
    assert look(heard.headers["ETag"]).status_code == 304
    goodbye(database, "cpu@a")
    again = look(heard.headers["ETag"])
    assert (again.status_code, again.json) == (200, alone.json)


def test_a_job_that_runs_or_has_ended_waits_for_nobody(client: "FlaskClient", database: Database) -> None:
    job = client.post("/api/v1/jobs", json=JOB).json
    with database.write() as session:
        assert factories.claim(session, uuid.UUID(job["id"])) is not None
    assert client.get(job["links"]["self"]).json["waiting_for"] is None
    job = client.post("/api/v1/jobs", json=JOB).json
    client.post(f"/api/v1/jobs/{job['id']}/cancel")
    assert client.get(job["links"]["self"]).json["waiting_for"] is None


def test_a_client_that_waits_for_any_change_is_told_when_a_worker_comes(
    client: "FlaskClient", database: Database
) -> None:
    address = client.post("/api/v1/jobs", json=JOB).json["links"]["self"]
    etag = client.get(address).headers["ETag"]
    comes = threading.Timer(0.2, present, (database, "cpu@a"))
    comes.start()
    start = time.monotonic()
    response = client.get(address, query_string={"wait": WAIT_SECONDS}, headers={"If-None-Match": etag})
    comes.join()
    assert time.monotonic() - start < WAIT_SECONDS / 2
    assert (response.status_code, response.json["waiting_for"]) == (200, None)


# ---- Presence


@pytest.fixture
def registration(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Registration]:
    """Of a worker that speaks often."""
    monkeypatch.setattr(registrations, "REGISTER_SECONDS", 0.05)
    made = Registration(database_url, "cpu", "cpu@here", Disk([tmp_path], 7))
    yield made
    monkeypatch.setattr(registrations, "REGISTER_SECONDS", WAIT_SECONDS)
    made.stop()


def test_a_worker_says_that_it_is_there_again_and_again_and_then_goodbye(
    database: Database, registration: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    registration.start()
    wait_for(lambda: workers(database) == ["cpu@here"])
    silent(database, "cpu@here", 1_000)
    wait_for(lambda: workers(database) == ["cpu@here"])
    with database.read() as session:
        row = session.scalars(sa.select(Worker)).one()
        assert (row.queue, row.min_free_bytes) == ("cpu", 7)
        assert row.free_bytes is not None
        assert row.free_bytes > 0
    monkeypatch.setattr(registrations, "REGISTER_SECONDS", WAIT_SECONDS)
    registration.stop()
    assert workers(database) == []
    registration.stop()  # once more is nothing


def test_a_worker_that_looks_at_its_disk_keeps_nobody_from_the_database(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    class Slow(Disk):
        def room(self) -> tuple[int, int]:
            present(database, "cpu@other")
            return super().room()

    Registration(database_url, "cpu", "cpu@here", Slow([tmp_path], 7)).claim()
    assert workers(database) == ["cpu@here", "cpu@other"]


def test_a_worker_keeps_its_connection_to_postgresql(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registrations, "REGISTER_SECONDS", 0.01)
    registration, database = Registration(postgres_url, "cpu", "cpu@here"), Database(postgres_url)
    others = sa.text(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    with database.autocommit() as connection:
        renewals: set[datetime.datetime] = set()
        servers: set[int] = set()

        def has_renewed() -> bool:
            servers.update(connection.scalars(others))
            renewals.update(connection.scalars(sa.select(Worker.seen_at)))
            return len(renewals) > 10

        registration.start()
        wait_for(has_renewed)
        registration.stop()
        assert len(servers) == 1
        wait_for(lambda: not connection.scalars(others).all())
    database.dispose()


def test_a_worker_outlives_a_database_that_is_away(
    database: Database, registration: Registration, caplog: pytest.LogCaptureFixture
) -> None:
    registration.start()
    wait_for(lambda: workers(database) == ["cpu@here"])
    rename_table(database, "workers", "elsewhere")
    with caplog.at_level(logging.WARNING, logger="jobyard.workers.runtime.registration"):
        wait_for(lambda: len(caplog.messages) >= 2)
    assert "can't write this worker's registration" in caplog.text
    rename_table(database, "elsewhere", "workers")
    silent(database, "cpu@here", 1_000)
    wait_for(lambda: workers(database) == ["cpu@here"])


def test_a_worker_that_ends_while_the_database_is_away_ends(
    database: Database, registration: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    registration.start()
    wait_for(lambda: workers(database) == ["cpu@here"])
    rename_table(database, "workers", "elsewhere")
    monkeypatch.setattr(registrations, "REGISTER_SECONDS", WAIT_SECONDS)
    registration.stop()
    rename_table(database, "elsewhere", "workers")
    silent(database, "cpu@here", registrations.ALIVE_SECONDS + 1)
    assert workers(database) == []


def test_a_worker_that_never_came_up_ends_without_a_word(
    database: Database, registration: Registration
) -> None:
    registration.stop()
    assert workers(database) == []
