"""Paused and limited queues, and workers that drain: what is claimed, and what those who wait are told."""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, queue_controls, queues, registrations, running_workers
from jobyard.shared.broker import Broker
from jobyard.shared.database import Database
from jobyard.shared.errors import NotFound
from jobyard.shared.jobs import Claim, Job, Progress, State
from jobyard.shared.registrations import Registered, Worker
from jobyard.workers.runtime import consumption
from jobyard.workers.runtime.attempt import Attempt, Finish
from jobyard.workers.runtime.registration import Registration
from jobyard.workers.runtime.sweeper import Sweeper
from tests import factories
from tests.factories import LONG_AGO, change, change_job, get_job, new_job, new_jobs, storage_of
from tests.waiting import at_once, wait_for
from tests.workers import make_context, run_queue

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.conftest import RedisProcess

WHY = "the disk is being replaced"


def pause(database: Database, queue: str = "cpu", reason: str | None = WHY) -> None:
    with database.write() as session:
        queue_controls.pause(session, queue, reason=reason)


def resume(database: Database, queue: str = "cpu") -> None:
    with database.write() as session:
        queue_controls.resume(session, queue)


def limit(database: Database, count: int | None, queue: str = "cpu") -> None:
    with database.write() as session:
        queue_controls.set_limit(session, queue, count)


def register(database: Database, name: str, process: str = "machine/1/2") -> Registered:
    with database.write() as session:
        found = registrations.register(session, name=name, queue="cpu", process=process)
    assert isinstance(found, Registered)
    return found


def drain(database: Database, name: str) -> None:
    with database.write() as session:
        registrations.drain(session, name, "ada")


def claim(database: Database, worker: str = "w") -> Claim | None:
    with database.write() as session:
        return jobs.claim(session, "cpu", worker=worker, lease_seconds=30.0)


def succeed(database: Database, claimed: Claim) -> None:
    with database.write() as session:
        assert jobs.succeed(session, claimed.id, claimed.lease, {})


def running(database: Database) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).where(Job.state == State.RUNNING)) or 0


def easy(_: Attempt, spec: Any) -> Finish:
    return lambda _: {"texts": spec.texts}


# ---- paused


def test_of_a_paused_queue_nothing_is_claimed_also_by_new_workers(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    new_jobs(database, 1_000)
    pause(database)
    assert run_queue(make_context(database, tmp_path), easy).begun == []
    restarted = Database(database_url)
    assert run_queue(make_context(restarted, tmp_path / "other"), easy).begun == []
    restarted.dispose()
    assert at_once(8, lambda number: claim(database, f"w{number}")) == [None] * 8
    with database.read() as session:
        assert jobs.count_queued(session, "cpu").jobs == 1_000
        assert jobs.count_claimable(session, "cpu", 0.0) == 0
    new_job(database, queue="gpu")
    with database.write() as session:
        assert jobs.claim(session, "gpu", worker="w", lease_seconds=30.0) is not None
    resume(database)
    assert claim(database) is not None


def test_a_job_that_runs_while_its_queue_is_paused_ends_and_none_is_claimed_with_its_outcome(
    database: Database, tmp_path: Path
) -> None:
    first, second, third = (new_job(database, spec={"texts": [str(number)]}) for number in range(3))

    def work(_: Attempt, spec: Any) -> Finish:
        if spec.texts == ["1"]:
            pause(database)
        return lambda _: {}

    assert run_queue(make_context(database, tmp_path), work).begun == [first, second]
    states = [get_job(database, job_id).state for job_id in (first, second, third)]
    assert states == ["succeeded", "succeeded", "queued"]
    assert get_job(database, third).attempt == 0


def test_children_wait_and_so_does_their_parent_for_its_sum(database: Database) -> None:
    claimed = factories.claimed(database, new_job(database))
    with database.write() as session:
        parts = Progress("parts", 0, 1, "rows", None)
        assert jobs.split(session, claimed.id, claimed.lease, [{}], window=1, progress=parts)
    pause(database)
    assert claim(database) is None
    resume(database)
    child = claim(database)
    assert child is not None
    assert child.parent_id == claimed.id
    pause(database)
    succeed(database, child)
    assert (get_job(database, claimed.id).state, claim(database)) == ("queued", None)
    resume(database)
    summing_up = claim(database)
    assert summing_up is not None
    assert summing_up.id == claimed.id


def test_a_pause_keeps_its_moment_and_gets_the_new_reason(database: Database) -> None:
    pause(database)
    with database.read() as session:
        before = queue_controls.controls(session)["cpu"]
    pause(database, reason="another")
    with database.read() as session:
        (now,) = queue_controls.paused(session)
    assert (now.paused_at, now.pause_reason) == (before.paused_at, "another")
    resume(database)
    with database.read() as session:
        assert queue_controls.paused(session) == []
    with database.write() as session, pytest.raises(NotFound, match="the queues are gpu, predict, cpu"):
        queue_controls.pause(session, "gpus")


# ---- limited


def test_a_limit_is_never_exceeded_however_many_claim_at_once(database: Database) -> None:
    new_jobs(database, 40)
    limit(database, 3)
    for _ in range(4):
        found = at_once(12, lambda number: claim(database, f"w{number}"))
        taken = [one for one in found if one is not None]
        assert (len(taken), running(database)) == (3, 3)
        for one in taken:
            succeed(database, one)
    limit(database, None)
    assert all(at_once(12, lambda number: claim(database, f"w{number}")))


def test_a_worker_at_the_limit_does_one_job_after_another(database: Database, tmp_path: Path) -> None:
    context = make_context(database, tmp_path)
    first = new_job(database)
    assert run_queue(context, easy).begun == [first]  # it has seen the queue without a limit
    others = new_jobs(database, 5)
    limit(database, 1)
    assert run_queue(context, easy).begun == others
    another = new_job(database)
    held = claim(database, "other")
    assert held is not None
    new_job(database)
    assert run_queue(context, easy).begun == []
    succeed(database, held)
    assert held.id == another
    limit(database, None)
    assert len(run_queue(context, easy).begun) == 1


def test_the_sweeper_wakes_as_many_as_may_run(
    database: Database, broker: Broker, redis_server: "RedisProcess"
) -> None:
    sweeper = Sweeper(database, broker, storage_of(database), lease_seconds=0, retention_days=0)
    for job_id in new_jobs(database, 5):
        change_job(database, job_id, available_at=LONG_AGO)
    pause(database)
    sweeper.sweep()
    assert redis_server.messages("cpu") == []
    resume(database)
    limit(database, 2)
    held = claim(database)
    sweeper.sweep()
    assert len(redis_server.messages("cpu")) == 1
    assert held is not None


# ---- draining


def test_a_draining_worker_ends_its_job_and_claims_no_other_also_after_a_restart(database: Database) -> None:
    new_jobs(database, 3)
    assert register(database, "cpu@a") == register(database, "cpu@b") == Registered(draining=False)
    held = claim(database, "cpu@a/17")
    drain(database, "cpu@a")
    assert register(database, "cpu@a") == Registered(draining=True)
    with database.read() as session:
        assert queues.find(session, "cpu").workers == ["cpu@b"]
    assert claim(database, "cpu@a/17") is None
    assert claim(database, "cpu@b/18") is not None
    assert held is not None
    succeed(database, held)
    with database.write() as session:
        registrations.deregister(session, name="cpu@a", process="machine/1/2")
        registrations.deregister(session, name="cpu@b", process="machine/1/2")
    with database.read() as session:
        (left,) = running_workers.view(session)
    assert (left.name, left.host, left.is_running, left.drained_by) == ("cpu@a", "a", False, "ada")
    assert register(database, "cpu@a", "machine/2/3") == Registered(draining=True)
    assert claim(database, "cpu@a/19") is None
    with database.write() as session:
        assert registrations.undrain(session, "cpu@a").queue == "cpu"
    assert claim(database, "cpu@a/19") is not None
    with database.write() as session, pytest.raises(NotFound, match="there is no worker 'cpu@c'"):
        registrations.drain(session, "cpu@c")


def test_a_draining_worker_is_remembered_longer_than_others_but_not_for_ever(database: Database) -> None:
    for name in ("cpu@a", "cpu@b", "cpu@c"):
        register(database, name)
    drain(database, "cpu@a")
    drain(database, "cpu@b")
    for name, seconds in (
        ("cpu@a", registrations.FORGOTTEN_SECONDS + 1),
        ("cpu@b", registrations.DRAINED_SECONDS + 1),
        ("cpu@c", registrations.FORGOTTEN_SECONDS + 1),
    ):
        change(database, Worker, Worker.name == name, seen_at=registrations.utcnow(-seconds))
    register(database, "cpu@d")
    with database.read() as session:
        assert sorted(session.scalars(sa.select(Worker.name))) == ["cpu@a", "cpu@d"]


def test_a_worker_learns_at_its_next_registration_that_it_drains(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registrations, "REGISTER_SECONDS", 0.02)
    registration = Registration(database_url, "cpu", "cpu@here")
    registration.start()
    wait_for(lambda: _names(database) == ["cpu@here"])
    drain(database, "cpu@here")
    wait_for(consumption.draining.is_set)
    with database.write() as session:
        registrations.undrain(session, "cpu@here")
    wait_for(lambda: not consumption.draining.is_set())
    registration.stop()


def _names(database: Database) -> list[str]:
    with database.read() as session:
        return [worker.name for worker in running_workers.view(session)]


# ---- over HTTP


def test_who_waits_is_told_why_and_the_etag_changes(client: "FlaskClient", database: Database) -> None:
    register(database, "cpu@a")
    body = {"kind": "sentiment", "spec": {"texts": ["one"]}}
    address = client.post("/api/v1/jobs", json=body).json["links"]["self"]
    before = client.get(address)
    assert before.json["waiting_for"] is None
    told = client.post("/api/v1/queues/cpu/pause", json={"reason": WHY})
    assert (told.status_code, told.json["pause_reason"]) == (200, WHY)
    paused = client.get(address, headers={"If-None-Match": before.headers["ETag"]})
    assert paused.json["waiting_for"] == f"the queue 'cpu' is paused: {WHY}"
    assert client.post("/api/v1/jobs", json=body).json["waiting_for"] == paused.json["waiting_for"]
    assert client.get(address, headers={"If-None-Match": paused.headers["ETag"]}).status_code == 304
    client.post("/api/v1/queues/cpu/pause", json={})
    again = client.get(address, headers={"If-None-Match": paused.headers["ETag"]})
    assert again.json["waiting_for"] == "the queue 'cpu' is paused"
    assert client.post("/api/v1/queues/cpu/resume").json["paused_at"] is None
    assert client.get(address).headers["ETag"] == before.headers["ETag"]
    drain(database, "cpu@a")
    assert client.get(address).json["waiting_for"] == "the queue 'cpu' has no running worker"


def test_queues_and_workers_are_changed_over_http(client: "FlaskClient", database: Database) -> None:
    assert client.patch("/api/v1/queues/cpu", json={"limit": 4}).json["limit"] == 4
    assert client.patch("/api/v1/queues/cpu", json={"limit": None}).json["limit"] is None
    for wrong in ({"limit": 0}, {"limit": "many"}, {}):
        assert client.patch("/api/v1/queues/cpu", json=wrong).status_code == 422
    assert client.post("/api/v1/queues/none/resume").status_code == 404
    register(database, "cpu@a")
    job_id = new_job(database)
    assert claim(database, "cpu@a/7") is not None
    (worker,) = client.get("/api/v1/workers").json["items"]
    assert (worker["name"], worker["host"], worker["queue"]) == ("cpu@a", "a", "cpu")
    assert [uuid.UUID(job["id"]) for job in worker["jobs"]] == [job_id]
    assert client.post("/api/v1/workers/cpu@a/drain").json["draining_since"] is not None
    assert client.post("/api/v1/workers/cpu@a/undrain").json["draining_since"] is None
    assert client.post("/api/v1/workers/cpu@b/drain").status_code == 404
