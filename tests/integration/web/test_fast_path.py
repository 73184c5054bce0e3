"""Looking at jobs: what is written past pydantic and answered past Flask is what they would have said."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, registrations
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import Job, State
from jobyard.web import schemas
from jobyard.web.api.common import Query
from jobyard.web.backend import Backend
from tests.conftest import TOKEN
from tests.factories import change_job, claimed, post_job

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

JOB: dict[str, Any] = {"kind": "sentiment", "spec": {"texts": ["naïve ☃", "a\x00b"]}}
# Only to end a hang.
WAIT_SECONDS = 30


@pytest.fixture
def app(make_app: "Callable[..., Flask]", database_url: str) -> "Flask":
    """On SQLite and on PostgreSQL."""
    return make_app(database_url=database_url)


@pytest.fixture
def database(backend: Backend) -> Database:
    """The app's."""
    return backend.database


def end(database: Database, job_id: str) -> None:
    claim = claimed(database, uuid.UUID(job_id))
    with database.write() as session:
        assert jobs.succeed(session, claim.id, claim.lease, {"count": 2, "labels": {"neutral": "☃"}})


def look(api: "FlaskClient", job_id: str, *, by_flask: bool, **headers: str) -> "TestResponse":
    return api.get(f"/api/v1/jobs/{job_id}{'?wait=0.0' if by_flask else ''}", headers=headers)


def alike(api: "FlaskClient", job_id: str, **headers: str) -> "TestResponse":
    """What the shortcut answers, and Flask in the same words."""
    headers["X-Request-Id"] = "of-both"
    short, long = (look(api, job_id, by_flask=by_flask, **headers) for by_flask in (False, True))
    assert (short.status, short.data) == (long.status, long.data)
    assert sorted(short.headers) == sorted(long.headers)
    return short


# ---- bodies


@pytest.mark.parametrize("state", list(State))
def test_a_job_in_any_state_is_just_what_its_schema_says(
    api: "FlaskClient", database: Database, state: State
) -> None:
    job_id = post_job(api, **JOB)
    at = utcnow()
    change_job(
        database,
        uuid.UUID(job_id),
        state=state,
        finished_at=at if state in jobs.TERMINAL else None,
        lease=uuid.uuid4() if state == State.RUNNING else None,
        lease_expires_at=at if state == State.RUNNING else None,
        error_message="why not" if state == State.FAILED else None,
        progress_done=3,
        progress_total=None,
        started_at=at,
        cancel_requested_at=at,
        result={"loss": 0.5, "words": ["☃", None]},
    )
    found = alike(api, job_id).json
    assert set(found) == set(schemas.Job.model_fields)
    again = schemas.Job.model_validate(found, strict=False).model_dump(mode="json")
    assert again == found
    assert found["spec"]["texts"] == JOB["spec"]["texts"]
    assert found["result"] == {"loss": 0.5, "words": ["☃", None]}
    assert (found["progress"]["done"], found["progress"]["total"]) == (3, None)
    assert (found["cancel_requested"], found["pause_requested"]) == (True, False)
    assert api.get("/api/v1/jobs").json["items"] == [found | {"waiting_for": None}]


# ---- past Flask


def test_both_ways_answer_alike_whatever_happens_to_the_job(api: "FlaskClient", database: Database) -> None:
    first, second = post_job(api, **JOB), post_job(api, **JOB)
    assert alike(api, second).json["position"] == 2
    assert alike(api, first.upper()).json["id"] == first
    with database.write() as session:
        registrations.register(session, name="cpu@a", queue="cpu", process="p")
    heard = alike(api, first)
    assert heard.json["waiting_for"] is None
    end(database, first)
    ended = alike(api, first)
    assert (ended.json["state"], ended.json["result"]["count"]) == ("succeeded", 2)
    assert ended.headers["ETag"] != heard.headers["ETag"]


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("{etag}", 304),
        ("W/{etag}", 304),
        ('"0", {etag}', 304),
        ('"0", W/{etag}, "2"', 304),
        ("*", 304),
        ('"0"', 200),
        ('W/"0"', 200),
        ("etag", 200),
        ("", 200),
    ],
)
def test_both_ways_read_conditions_alike(api: "FlaskClient", condition: str, status: int) -> None:
    job_id = post_job(api, **JOB)
    etag = look(api, job_id, by_flask=False).headers["ETag"]
    answer = alike(api, job_id, **{"If-None-Match": condition.format(etag=etag)})
    assert answer.status_code == status
    assert answer.headers["ETag"] == etag


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", f"Basic {TOKEN}", "Bearer"])
def test_both_ways_are_closed_to_strangers(app: "Flask", api: "FlaskClient", authorization: str) -> None:
    job_id = post_job(api, **JOB)
    for by_flask in (False, True):
        answer = look(app.test_client(), job_id, by_flask=by_flask, Authorization=authorization)
        assert answer.status_code == 401
        assert answer.mimetype == "application/problem+json"


def test_a_job_that_is_not_there_is_flasks_to_answer(api: "FlaskClient") -> None:
    job_id = str(uuid.uuid4())
    assert alike(api, job_id).status_code == 404
    assert alike(api, job_id, **{"If-None-Match": '"1.0"'}).status_code == 404


def test_a_database_that_is_away_is_flasks_to_answer(api: "FlaskClient", database: Database) -> None:
    job_id = post_job(api, **JOB)
    with database.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE jobs RENAME TO elsewhere"))
    answer = look(api, job_id, by_flask=False)
    assert answer.status_code in (500, 503)
    assert answer.mimetype == "application/problem+json"


def test_only_the_plain_question_goes_past_flask(
    app: "Flask", api: "FlaskClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = post_job(api, **JOB)
    seen: list[str] = []
    app.before_request_funcs.setdefault(None, []).insert(0, lambda: seen.append("flask"))
    assert look(api, job_id, by_flask=False).status_code == 200
    assert seen == []
    for address in (f"/api/v1/jobs/{job_id}?", f"/api/v1/jobs/{job_id}/events", "/api/v1/jobs"):
        api.get(address)
    assert len(seen) == 2  # a question mark alone asks nothing
    assert api.head(f"/api/v1/jobs/{job_id}").data == b""
    assert len(seen) == 3


# ---- submits past Flask

BODIES = [
    b'{"kind": "sentiment", "spec": {"texts": ["good"]}}',
    b' {"spec": {"texts": ["na\xc3\xafve", "a\\u0000b"]}, "priority": 9, "kind": "sentiment"}\n',
    b'{"kind": "sentiment", "spec": {"texts": ["good"], "deadline_seconds": 60}, "priority": "7"}',
    b'{"kind": "sentiment", "spec": {"texts": ["good"]}, "priority": 10}',
    b'{"kind": "sentiment", "spec": {"texts": [NaN]}}',
    b'{"kind": "sentiment", "spec": {"texts": ["\\ud800"]}}',
    b'{"kind": "train", "spec": {"dataset": "nothing"}}',
    b'{"kind": "sentiment"',
    b'{"kind": "sentiment", "spec": {"texts": ["good"]}}'.decode().encode("utf-16"),
    b"[" * 100_000,
    b"\xff",
    b"[]",
    b"3",
    b"",
]


def send(api: "FlaskClient", body: bytes, *, by_flask: bool, **headers: str) -> "TestResponse":
    headers = {"Content-Type": "application/json", "X-Request-Id": "of-both"} | headers
    return api.post(f"/api/v1/jobs{'?wait=0.0' if by_flask else ''}", data=body, headers=headers)


def without_identity(response: "TestResponse") -> tuple[Any, ...]:
    """All that two jobs from one request have in common."""
    job_id = response.json.get("id", "no id")
    body = {
        name: value for name, value in response.json.items() if name not in ("id", "created_at", "position")
    }
    text = json.dumps(body, sort_keys=True).replace(job_id, "the job")
    headers = sorted(
        (name, value.replace(job_id, "the job"))
        for name, value in response.headers
        if name not in ("ETag", "Content-Length")
    )
    return response.status, text, headers


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_both_ways_accept_and_refuse_alike(api: "FlaskClient", body: bytes) -> None:
    short, long = (send(api, body, by_flask=by_flask) for by_flask in (False, True))
    assert without_identity(short) == without_identity(long)


@pytest.mark.parametrize("key", ["a key", "ä", "k" * 255, "k" * 256, " ", ""])
def test_both_ways_keep_one_key(api: "FlaskClient", key: str) -> None:
    header = {"Idempotency-Key": key}
    answers = [send(api, BODIES[0], by_flask=by_flask, **header) for by_flask in (False, True, False)]
    wrong = not key.strip() or len(key) > 255
    assert [answer.status_code for answer in answers] == ([422] * 3 if wrong else [202, 200, 200])
    assert len({answer.data for answer in answers}) == 1
    if not wrong:
        for by_flask in (False, True):
            assert send(api, BODIES[1], by_flask=by_flask, **header).status_code == 409


def test_a_job_is_accepted_past_flask_and_nothing_else_is(app: "Flask", api: "FlaskClient") -> None:
    seen: list[str] = []
    app.before_request_funcs.setdefault(None, []).insert(0, lambda: seen.append("flask"))
    assert send(api, BODIES[0], by_flask=False).status_code == 202
    assert seen == []
    for body, headers in (
        (BODIES[3], {}),
        (b"[%b]" % BODIES[0], {}),
        (BODIES[0], {"Content-Type": "application/json; charset=utf-8"}),
        (BODIES[0], {"Authorization": "Bearer wrong"}),
    ):
        send(api, body, by_flask=False, **headers)
    assert len(seen) == 4


@pytest.mark.parametrize("by_flask", [False, True])
def test_a_submit_to_a_broken_database_is_flasks_to_answer(
    api: "FlaskClient", database: Database, by_flask: bool
) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE jobs RENAME TO elsewhere"))
    answer = send(api, BODIES[0], by_flask=by_flask)
    assert answer.status_code in (500, 503)
    assert answer.mimetype == "application/problem+json"


def test_the_schema_of_a_query_is_made_once() -> None:
    """flask-openapi3 asks for it in each request."""

    class Some(Query):
        a: int = 0

    class Other(Query):
        b: int = 0

    assert Some.model_json_schema() is Some.model_json_schema()
    assert set(Some.model_json_schema()["properties"]) == {"a"}
    assert set(Other.model_json_schema()["properties"]) == {"b"}


# ---- submit and wait


def test_submit_can_wait_for_the_end(api: "FlaskClient", database: Database) -> None:
    def work() -> None:
        ends = time.monotonic() + WAIT_SECONDS
        job_id = None
        while job_id is None and time.monotonic() < ends:
            time.sleep(0.05)
            with database.read() as session:
                job_id = session.scalar(sa.select(Job.id))
        end(database, str(job_id))

    thread = threading.Thread(target=work)
    thread.start()
    start = time.monotonic()
    response = api.post("/api/v1/jobs", query_string={"wait": WAIT_SECONDS}, json=JOB)
    assert time.monotonic() - start < WAIT_SECONDS / 2
    thread.join()
    assert (response.status_code, response.json["state"]) == (200, "succeeded")
    assert response.json["result"]["count"] == 2
    assert response.headers["Location"] == response.json["links"]["self"]


def test_submit_that_waits_in_vain_is_accepted_all_the_same(api: "FlaskClient") -> None:
    start = time.monotonic()
    response = api.post("/api/v1/jobs?wait=0.2", json=JOB)
    assert time.monotonic() - start >= 0.2
    assert (response.status_code, response.json["state"]) == (202, "queued")


def test_a_repeated_submit_waits_too(api: "FlaskClient", database: Database) -> None:
    headers = {"Idempotency-Key": "once"}
    first = api.post("/api/v1/jobs", json=JOB, headers=headers).json["id"]
    end(database, first)
    again = api.post("/api/v1/jobs", query_string={"wait": WAIT_SECONDS}, json=JOB, headers=headers)
    assert (again.status_code, again.json["id"], again.json["state"]) == (200, first, "succeeded")


@pytest.mark.parametrize(
    ("query", "body", "field"),
    [
        ("wait=1", [JOB], "wait"),
        ("wait=61", JOB, "wait"),
        ("wait=x", JOB, "wait"),
        ("weight=1", JOB, "weight"),
    ],
)
def test_a_wait_that_can_not_be_is_refused_before_anything_is_stored(
    api: "FlaskClient", query: str, body: Any, field: str
) -> None:
    response = api.post(f"/api/v1/jobs?{query}", json=body)
    assert response.status_code == 422
    assert [error["field"] for error in response.json["errors"]] == [field]
    assert api.get("/api/v1/jobs").json["items"] == []
