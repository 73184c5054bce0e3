"""A list of jobs in one request: all of them or none, in one transaction and one word to the broker."""

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, registry
from jobyard.shared.broker import AWAY_SECONDS, MAX_MESSAGES, Broker
from jobyard.shared.database import Database
from jobyard.shared.jobs import Job, JobEvent
from tests.conftest import logged_in
from tests.counting import counting
from tests.waiting import at_once

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from tests.conftest import RedisProcess

Make = Callable[..., "Flask"]

THREADS = 8


def text(number: int, **changes: Any) -> dict[str, Any]:
    return {"kind": "sentiment", "spec": {"texts": [f"number {number}"]}, **changes}


def batch(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [text(number, **changes) for number in range(count)]


def post(client: "FlaskClient", body: Any, key: str | None = None) -> "TestResponse":
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/api/v1/jobs", json=body, headers=headers)


def ids(response: "TestResponse") -> list[str]:
    assert response.status_code in (200, 202), response.json
    return [item["id"] for item in response.json["items"]]


def stored(database: Database) -> tuple[int, int]:
    """How many jobs, how many events."""
    with database.read() as session:
        return tuple(
            session.scalar(sa.select(sa.func.count()).select_from(row)) or 0 for row in (Job, JobEvent)
        )


# ---- all or none


def test_a_batch_is_accepted_as_a_whole_and_keeps_its_order(
    client: "FlaskClient", database: Database
) -> None:
    response = post(client, batch(30))
    assert response.status_code == 202
    items = response.json["items"]
    assert [item["spec"]["texts"] for item in items] == [[f"number {number}"] for number in range(30)]
    assert [item["position"] for item in items] == list(range(1, 31))
    assert stored(database) == (30, 30)
    for item in items[::10]:
        assert client.get(item["links"]["self"]).json["spec"] == item["spec"]


def test_positions_count_the_jobs_of_others_and_the_priorities(client: "FlaskClient") -> None:
    post(client, text(0))
    post(client, text(0, priority=9))
    mixed = [text(1, priority=9), text(2), text(3, priority=9), text(4)]
    items = post(client, mixed).json["items"]
    assert [item["position"] for item in items] == [2, 5, 3, 6]
    for item in items:
        assert client.get(f"/api/v1/jobs/{item['id']}").json["position"] == item["position"]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"kind": "train", "spec": {"dataset": "pets", "epochs": 0}}, "3.spec.epochs"),
        ({"kind": "sentiment", "spec": {"file": str(uuid.uuid4())}}, "3.spec.file"),
        ({"kind": "sentiment", "spec": {"texts": ["a"]}, "priority": 10}, "3.priority"),
        ({"kind": "dance", "spec": {}}, "3.kind"),
    ],
)
def test_one_bad_entry_is_named_with_its_place_and_nothing_is_stored_or_sent(
    make_app: Make,
    database: Database,
    database_url: str,
    redis_server: "RedisProcess",
    bad: dict[str, Any],
    field: str,
) -> None:
    client = logged_in(make_app(database_url=database_url, broker_url=redis_server.url))
    response = post(client, [*batch(3), bad, text(4)])
    assert response.status_code == 422
    assert [error["field"] for error in response.json["errors"]] == [field]
    assert stored(database) == (0, 0)
    with redis_server.client() as redis:
        assert redis.keys("cpu*") == []


def test_what_the_database_refuses_of_one_is_refused_of_all(database: Database) -> None:
    wanted = [
        jobs.Request(kind="sentiment", queue="cpu", spec={}, priority=priority, max_attempts=3)
        for priority in (5, 5, 10, 5)
    ]

    def submit() -> None:
        with database.write() as session:
            jobs.submit_many(session.connection(), wanted, idempotency_key="key", request_sha256="a" * 64)

    with pytest.raises(sa.exc.IntegrityError, match="ck_jobs_priority"):
        submit()
    assert stored(database) == (0, 0)


def test_a_thousand_are_accepted_and_one_more_or_none_at_all_is_refused(
    client: "FlaskClient", database: Database
) -> None:
    for body in (batch(1_001), []):
        response = post(client, body)
        assert response.status_code == 422
        assert [error["field"] for error in response.json["errors"]] == ["body"]
    assert stored(database) == (0, 0)
    accepted = ids(post(client, batch(1_000)))
    assert accepted == sorted(set(accepted))
    assert stored(database) == (1_000, 1_000)


def test_a_batch_is_one_transaction_of_few_statements(make_app: Make, database_url: str) -> None:
    client = logged_in(make_app(database_url=database_url))
    with counting("commit") as commits, counting("before_cursor_execute") as statements:
        assert len(ids(post(client, batch(200), "key"))) == 200
    assert len(commits) == 1
    assert len(statements) < 30


# ---- Idempotency-Key


def test_a_repeated_batch_is_the_first_one_as_it_is_now(client: "FlaskClient", database: Database) -> None:
    first = post(client, batch(12), "key")
    with database.write() as session:
        jobs.cancel(session, uuid.UUID(ids(first)[2]))
    again = post(client, batch(12), "key")
    assert (first.status_code, again.status_code) == (202, 200)
    assert ids(again) == ids(first)
    assert again.json["items"][2]["state"] == "cancelled"
    assert stored(database)[0] == 12


@pytest.mark.parametrize("other", [batch(3), batch(5), batch(4, priority=6), batch(4)[::-1]])
def test_a_key_for_another_batch_is_a_conflict(
    client: "FlaskClient", database: Database, other: list[Any]
) -> None:
    post(client, batch(4), "key")
    response = post(client, other, "key")
    assert response.status_code == 409
    assert "'key'" in response.json["detail"]
    assert stored(database)[0] == 4


def test_one_key_in_eight_requests_at_once_makes_one_batch(
    make_app: Make, database: Database, database_url: str, redis_server: "RedisProcess"
) -> None:
    app = make_app(database_url=database_url, broker_url=redis_server.url)

    def one(_: int) -> "TestResponse":
        client = logged_in(app)
        return post(client, batch(20), "key")

    answers = at_once(THREADS, one)
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert {tuple(ids(answer)) for answer in answers} == {tuple(ids(answers[0]))}
    assert stored(database) == (20, 20)
    assert len(redis_server.messages("cpu")) == 20


@pytest.mark.parametrize("keys", [("a", "a/0"), ("a/0", "a"), ("a", "A"), ("a%", "ab"), ("a_", "ab")])
def test_keys_that_look_alike_are_of_different_batches(
    client: "FlaskClient", database: Database, keys: tuple[str, str]
) -> None:
    made = [ids(post(client, batch(2), key)) for key in keys]
    assert stored(database)[0] == 4
    assert [ids(post(client, batch(2), key)) for key in keys] == made


@pytest.mark.parametrize("key", ["a/0", "a/1"])
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_job_and_a_batch_whose_keys_look_alike_do_not_meet(
    client: "FlaskClient", database: Database, key: str, batch_first: bool
) -> None:
    bodies: list[tuple[Any, str]] = [(batch(2), "a"), (text(0), key)]
    for body, its in bodies if batch_first else bodies[::-1]:
        assert post(client, body, its).status_code == 202
    assert stored(database)[0] == 3
    for body, its in bodies:
        assert post(client, body, its).status_code == 200
    assert stored(database)[0] == 3


def test_a_job_and_a_batch_of_that_one_job_are_not_the_same_request(
    client: "FlaskClient", database: Database
) -> None:
    post(client, text(0), "a/0")
    assert len(ids(post(client, batch(1), "a"))) == 1
    assert stored(database)[0] == 2


def test_the_longest_key_will_do_for_a_batch(client: "FlaskClient") -> None:
    first = ids(post(client, batch(2), "x" * 255))
    assert ids(post(client, batch(2), "x" * 255)) == first


def test_a_batch_of_which_a_part_is_forgotten_can_still_be_repeated(
    client: "FlaskClient", database: Database
) -> None:
    first = ids(post(client, batch(4), "key"))
    with database.write() as session:
        session.execute(sa.delete(Job).where(Job.id.in_([uuid.UUID(first[0]), uuid.UUID(first[2])])))
    again = post(client, batch(4), "key")
    assert (again.status_code, ids(again)) == (200, [first[1], first[3]])


# ---- the broker


@pytest.mark.parametrize(("count", "messages"), [(1, 1), (20, 20), (500, MAX_MESSAGES)])
def test_a_batch_wakes_as_many_as_it_has_jobs_but_never_more_than_enough(
    make_app: Make, redis_server: "RedisProcess", count: int, messages: int
) -> None:
    client = logged_in(make_app(broker_url=redis_server.url))
    post(client, batch(count))
    assert len(redis_server.messages("cpu")) == messages
    post(client, batch(500))
    assert len(redis_server.messages("cpu")) == MAX_MESSAGES


def test_a_batch_for_different_queues_wakes_each(
    make_app: Make, database: Database, database_url: str, redis_server: "RedisProcess"
) -> None:
    client = logged_in(make_app(database_url=database_url, broker_url=redis_server.url))
    with database.write() as session:
        registry.add(session, a_dataset())
    training = {"kind": "train", "spec": {"dataset": "pets"}}
    assert len(ids(post(client, [text(0), training, text(1)]))) == 3
    woken = {queue: len(redis_server.messages(queue)) for queue in ("cpu", "gpu", "predict")}
    assert woken == {"cpu": 2, "gpu": 1, "predict": 0}


def a_dataset() -> registry.Dataset:
    return registry.Dataset(
        name="pets",
        classes={"train": {"cats": 4, "dogs": 4}},
        pictures=8,
        rejected=[],
        rejected_count=0,
        storage_key="datasets/none",
        bytes=1,
        sha256="0" * 64,
    )


def test_a_batch_costs_far_fewer_round_trips_than_it_has_messages(
    make_app: Make, redis_server: "RedisProcess"
) -> None:
    client = logged_in(make_app(broker_url=redis_server.url))
    post(client, text(0))  # connects
    with redis_server.client() as redis:
        before = redis.info("stats")["total_reads_processed"]
        assert len(ids(post(client, batch(500)))) == 500
        reads = redis.info("stats")["total_reads_processed"] - before
    assert len(redis_server.messages("cpu")) == MAX_MESSAGES
    # A pipeline of many kilobytes is read in pieces.
    assert reads < MAX_MESSAGES / 2


@pytest.mark.parametrize("connected", [True, False])
def test_a_batch_is_accepted_while_the_broker_is_away(
    make_app: Make,
    database: Database,
    database_url: str,
    redis_server: "RedisProcess",
    connected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = logged_in(make_app(database_url=database_url, broker_url=redis_server.url))
    if connected:
        post(client, text(0))
    redis_server.kill()
    asked: list[Broker] = []
    producer = Broker._producer

    def asking(self: Broker) -> Any:
        asked.append(self)
        return producer(self)

    monkeypatch.setattr(Broker, "_producer", asking)
    assert len(ids(post(client, batch(50)))) == 50
    assert len(asked) == 1, "it is not asked for each of them"
    assert stored(database)[0] == 50 + connected
    redis_server.restart()
    time.sleep(AWAY_SECONDS)
    assert len(ids(post(client, batch(3)))) == 3
    assert len(redis_server.messages("cpu")) == 3
