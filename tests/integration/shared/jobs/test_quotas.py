"""Of an owner with a quota so many jobs run at once: the others stay queued, and everybody else is served."""

import datetime
import uuid
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, queue_controls, registrations, tokens
from jobyard.shared.broker import Broker
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import HANGING_CLAIM, Claim, Front, Job, State
from jobyard.shared.tokens import Scope
from jobyard.workers.runtime.attempt import Attempt, Finish
from jobyard.workers.runtime.sweeper import Sweeper
from tests.factories import LONG_AGO, change_job, get_job, new_job, new_jobs, storage_of
from tests.integration.shared.jobs.verbs import lose, next_claim
from tests.waiting import at_once
from tests.workers import make_context, run_queue

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.conftest import RedisProcess

MANY = 10_000
WORKERS = count()


def quota(database: Database, name: str, most: int | None) -> None:
    with database.write() as session:
        tokens.create(
            session,
            name=name,
            scope=Scope.SUBMIT,
            expires_seconds=None,
            created_by="admin",
            max_running=most,
        )


def revoke(database: Database, name: str) -> None:
    with database.write() as session:
        tokens.revoke(session, name, revoked_by="admin")


def claim(database: Database, front: Front | None = None, queue: str = "cpu") -> Claim | None:
    with database.write() as session:
        return next_claim(session, queue, worker=f"w{next(WORKERS)}", front=front)


def claims(database: Database, front: Front | None = None, queue: str = "cpu") -> list[Claim]:
    """All that may run."""
    found = []
    while (one := claim(database, front, queue)) is not None:
        found.append(one)
    return found


def owners(database: Database, found: list[Claim]) -> list[str]:
    return sorted(get_job(database, one.id).created_by for one in found)


def succeed(database: Database, claimed: Claim) -> None:
    with database.write() as session:
        assert jobs.succeed(session, claimed.id, claimed.lease, {})


@pytest.mark.parametrize("keeps_front", [True, False])
def test_what_is_over_the_quota_stays_queued_and_others_are_served(
    database: Database, keeps_front: bool
) -> None:
    front = Front() if keeps_front else None
    new_jobs(database, 3, created_by="bob")
    assert claim(database, front) is not None  # before anybody had a quota
    quota(database, "ann", 2)
    mine = new_jobs(database, MANY, created_by="ann", priority=9)
    found = claims(database, front)
    assert owners(database, found) == ["ann", "ann", "bob", "bob"]
    assert {one.limited_owner for one in found} == {"ann", None}
    assert [one.id for one in found if one.limited_owner] == mine[:2]
    late = new_job(database, created_by="cid")
    assert [one.id for one in claims(database, front)] == [late]
    succeed(database, next(one for one in found if one.id == mine[0]))
    assert [one.id for one in claims(database, front)] == [mine[2]]
    assert get_job(database, mine[3]).attempt == 0


def test_a_quota_is_never_exceeded_however_many_claim_in_all_queues(database: Database) -> None:
    quota(database, "ann", 3)
    quota(database, "bob", 1)
    for queue in ("cpu", "gpu", "predict"):
        for name in ("ann", "bob", "cid"):
            new_jobs(database, 12, created_by=name, queue=queue)
    fronts = [Front() for _ in range(12)]
    queues = ["cpu", "gpu", "predict"] * 4
    for _ in range(3):
        found = at_once(12, lambda number: claim(database, fronts[number], queues[number]))
        taken = [one for one in found if one is not None]
        with database.read() as session:
            at_work = sa.select(Job.created_by, sa.func.count()).where(Job.state == State.RUNNING)
            running = dict(session.execute(at_work.group_by(Job.created_by)).all())  # type: ignore[arg-type]
        assert running["ann"] <= 3
        assert running["bob"] <= 1
        assert len(taken) == 12, "each queue has jobs of cid"
        for one in taken:
            succeed(database, one)


@pytest.mark.parametrize("end", ["fail", "cancel", "release", "lose", "pause"])
def test_however_a_job_ends_or_stops_the_next_may_run(database: Database, end: str) -> None:
    quota(database, "ann", 1)
    new_jobs(database, 2, created_by="ann")
    (first,) = claims(database)
    if end == "lose":
        change_job(database, first.id, state=State.QUEUED, lease=None, lease_expires_at=None)
        lose(database, first.id)
    with database.write() as session:
        if end == "fail":
            assert jobs.fail(session, first.id, first.lease, error_type="E", message="why")
        elif end == "release":
            assert jobs.release(session, first.id, first.lease)
        elif end != "lose":
            (jobs.cancel if end == "cancel" else jobs.pause)(session, first.id)
            (jobs.finish_cancel if end == "cancel" else jobs.release)(session, first.id, first.lease)
    (following,) = claims(database)
    assert (following.id == first.id) == (end == "release")


def test_parts_count_and_their_parent_that_waits_for_them_does_not(database: Database) -> None:
    quota(database, "ann", 1)
    new_job(database, created_by="ann")
    (whole,) = claims(database)
    with database.write() as session:
        progress = jobs.Progress("parts", 0, 2, "rows", None)
        assert jobs.split(session, whole.id, whole.lease, [{}, {}], window=2, progress=progress)
    for _ in range(2):
        (part,) = claims(database)
        assert part.parent_id == whole.id
        succeed(database, part)
    assert [one.id for one in claims(database)] == [whole.id]


def test_a_queue_with_a_limit_keeps_that_too(database: Database) -> None:
    quota(database, "ann", 1)
    with database.write() as session:
        queue_controls.set_limit(session, "cpu", 3)
    for name in ("ann", "bob"):
        new_jobs(database, 5, created_by=name)
    assert owners(database, claims(database)) == ["ann", "bob", "bob"]


def test_the_newest_token_of_a_name_has_the_quota_also_when_it_was_revoked(database: Database) -> None:
    quota(database, "ann", 1)
    new_jobs(database, 9, created_by="ann")
    assert len(claims(database)) == 1
    revoke(database, "ann")
    assert claims(database) == []
    quota(database, "ann", 3)
    assert len(claims(database)) == 2
    revoke(database, "ann")
    quota(database, "ann", None)
    assert len(claims(database)) == 6
    with database.read() as session:
        found = tokens.page(session, with_revoked=True)
        assert [token.max_running for token in found] == [None, None, None]


def test_a_claim_that_hangs_with_the_lock_of_all_loses_its_connection(postgres_url: str) -> None:
    database = Database(postgres_url)
    shown = sa.text("SHOW idle_in_transaction_session_timeout")
    quota(database, "ann", 1)
    new_job(database, created_by="ann")
    with database.write() as session:
        assert next_claim(session, "cpu", worker="w")
        assert session.scalar(shown) == HANGING_CLAIM
    with database.write() as session:
        assert session.scalar(shown) == "0"
    database.dispose()


def test_without_a_transaction_nothing_of_such_an_owner_is_claimed_on_postgresql(database: Database) -> None:
    quota(database, "ann", 1)
    new_jobs(database, 2, created_by="ann")
    front = Front()
    with database.begin(single=True) as connection:
        found = jobs.claim(connection, "cpu", worker="w", lease_seconds=30.0, front=front)
    if database.engine.dialect.name == "postgresql":
        assert (found, front.is_limited) == (None, True)
        found = claim(database, front)
    assert found is not None
    succeed(database, found)
    assert claim(database, front) is not None
    new_jobs(database, 2, created_by="bob")
    assert len(claims(database, front)) == 2


# ---- who is woken


def easy(_: Attempt, spec: Any) -> Finish:
    return lambda _: {"texts": spec.texts}


def test_a_worker_does_one_job_after_another_and_wakes_other_queues_when_its_is_empty(
    database: Database, tmp_path: Path, redis_server: "RedisProcess"
) -> None:
    quota(database, "ann", 1)
    mine = new_jobs(database, 3, created_by="ann", spec={"texts": ["one"]})
    new_job(database, created_by="ann", queue="gpu")
    context = make_context(database, tmp_path, broker_url=redis_server.url)
    assert run_queue(context, easy).begun == mine
    assert len(redis_server.messages("gpu")) == 1
    assert redis_server.messages("cpu") == redis_server.messages("predict") == []


def test_the_sweeper_wakes_nobody_for_an_owner_at_its_quota(
    database: Database, broker: Broker, redis_server: "RedisProcess"
) -> None:
    sweeper = Sweeper(database, broker, storage_of(database), lease_seconds=0, retention_days=0)
    quota(database, "ann", 2)
    for job_id in new_jobs(database, 5, created_by="ann"):
        change_job(database, job_id, available_at=LONG_AGO)
    held = claims(database)
    sweeper.sweep()
    assert redis_server.messages("cpu") == []
    assert len(held) == 2
    succeed(database, held[0])
    with database.read() as session:
        assert jobs.count_claimable(session, "cpu", 0.0) == 1
    sweeper.sweep()
    assert len(redis_server.messages("cpu")) == 1
    change_job(database, new_job(database, created_by="bob"), available_at=LONG_AGO)
    with database.read() as session:
        assert jobs.count_claimable(session, "cpu", 1.0) == 2
    quota(database, "bob", 7)
    with database.read() as session:
        assert jobs.count_claimable(session, "cpu", 1.0) == 2


# ---- what those who wait are told


def test_who_waits_for_a_limit_or_a_quota_is_told_so_and_the_etag_changes(
    client: "FlaskClient", database: Database
) -> None:
    with database.write() as session:
        registrations.register(session, name="cpu@a", queue="cpu", process="a/1/2")
    made = {"name": "ann", "scope": "submit", "max_running": 2}
    secret = client.post("/api/v1/tokens", json=made).json["secret"]
    theirs = {"Authorization": f"Bearer {secret}"}
    body = {"kind": "sentiment", "spec": {"texts": ["one"]}}
    ids = [client.post("/api/v1/jobs", json=body, headers=theirs).json["id"] for _ in range(3)]
    address = f"/api/v1/jobs/{ids[-1]}"
    before = client.get(address)
    assert before.json["waiting_for"] is None
    held = claims(database)
    assert [one.id for one in held] == [uuid.UUID(one) for one in ids[:2]]
    told = client.get(address, headers={"If-None-Match": before.headers["ETag"]})
    why = "the token 'ann' has 2 jobs running, which is its quota"
    assert told.json["waiting_for"] == why
    assert client.post("/api/v1/jobs", json=body, headers=theirs).json["waiting_for"] == why
    assert client.post("/api/v1/jobs", json=[body], headers=theirs).json["items"][0]["waiting_for"] == why
    assert client.post("/api/v1/jobs", json=body).json["waiting_for"] is None
    assert why.replace("'", "&#39;").replace("the", "The", 1) in client.get(f"/jobs/{ids[-1]}").text
    assert client.get(address, headers={"If-None-Match": told.headers["ETag"]}).status_code == 304
    assert client.patch("/api/v1/queues/cpu", json={"limit": 2}).status_code == 200
    limited = client.get(address, headers={"If-None-Match": told.headers["ETag"]})
    assert limited.json["waiting_for"] == "the queue 'cpu' runs 2 jobs, which is its limit"
    assert client.post("/api/v1/jobs", json=body).json["waiting_for"] == limited.json["waiting_for"]
    succeed(database, held[0])
    assert client.get(address).json["waiting_for"] is None


def test_a_job_that_is_to_wait_does_not_keep_its_owner_from_the_quota(database: Database) -> None:
    quota(database, "ann", 1)
    later = new_job(database, created_by="ann", priority=9)
    with database.write() as session:
        in_an_hour = session.scalar(sa.select(utcnow(datetime.timedelta(hours=1).total_seconds())))
    change_job(database, later, available_at=in_an_hour)
    ready = new_job(database, created_by="ann")
    assert [one.id for one in claims(database)] == [ready]
