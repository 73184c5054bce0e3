"""Jobs over HTTP: submit, look, wait, control, timeline."""

import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, metrics
from jobyard.shared.database import Database
from jobyard.shared.jobs import Job
from jobyard.web.backend import Backend
from tests.conftest import TOKEN, read_only
from tests.factories import claimed, post_job, rename_table
from tests.waiting import at_once

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from tests.conftest import RedisProcess

JOB: dict[str, Any] = {"kind": "sentiment", "spec": {"texts": ["one"]}}
# Only to end a hang.
WAIT_SECONDS = 30
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def database(backend: Backend) -> Database:
    """The app's."""
    return backend.database


def end(database: Database, job_id: str, *, fail: bool = False) -> None:
    lease = claimed(database, uuid.UUID(job_id)).lease
    with database.write() as session:
        if fail:
            jobs.fail(session, uuid.UUID(job_id), lease, error_type="WorkError", message="why not")
        else:
            jobs.succeed(session, uuid.UUID(job_id), lease, {"count": 1})


def assert_problem(response: "TestResponse", status: int) -> None:
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    assert set(response.json) == {"type", "title", "status", "detail", "errors", "request_id"}
    assert response.json["status"] == status


def later(do: Callable[[], object], seconds: float = 0.3) -> threading.Thread:
    def run() -> None:
        time.sleep(seconds)
        do()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


# ---- submit and look


def test_a_submitted_job_is_there_as_the_design_says(api: "FlaskClient") -> None:
    response = api.post("/api/v1/jobs", json=JOB | {"priority": 7})
    assert response.status_code == 202
    job = response.json
    assert response.headers["Location"] == f"/api/v1/jobs/{job['id']}" == job["links"]["self"]
    assert uuid.UUID(job["id"]).version == 7
    expected = {
        "kind": "sentiment",
        "state": "queued",
        "phase": None,
        "queue": "cpu",
        "priority": 7,
        "result": None,
        "error": None,
        "progress": None,
        "attempt": 0,
        "max_attempts": 3,
        "position": 1,
        "parent_id": None,
        "started_at": None,
        "finished_at": None,
    }
    assert {name: job[name] for name in expected} == expected
    assert job["spec"]["texts"] == ["one"]
    assert job["spec"]["thresholds"] == {"positive": 0.05, "negative": -0.05}
    assert MOMENT.fullmatch(job["created_at"])
    assert api.get(job["links"]["self"]).json == job


def test_a_job_tells_progress_result_and_error(api: "FlaskClient", database: Database) -> None:
    running, failed, done = post_job(api), post_job(api), post_job(api)
    lease = claimed(database, uuid.UUID(running)).lease
    told = jobs.Progress("scoring", 3, 10, "texts", 1.5)
    with database.write() as session:
        jobs.heartbeat(session, uuid.UUID(running), lease, lease_seconds=30, progress=told)
    end(database, failed, fail=True)
    end(database, done)
    job = api.get(f"/api/v1/jobs/{running}").json
    assert (job["state"], job["phase"], job["position"]) == ("running", "scoring", None)
    assert job["progress"] == {"done": 3, "total": 10, "unit": "texts", "eta_seconds": 1.5, "per_second": 4.7}
    assert "cancel" in job["links"]
    job = api.get(f"/api/v1/jobs/{failed}").json
    assert job["error"] == {"type": "WorkError", "message": "why not"}
    assert "retry" in job["links"]
    job = api.get(f"/api/v1/jobs/{done}").json
    assert (job["result"], job["error"]) == ({"count": 1}, None)
    assert MOMENT.fullmatch(job["finished_at"])
    assert not {"cancel", "retry"} & set(job["links"])


def test_a_job_without_progress_tells_since_when_and_its_etag_changes(
    api: "FlaskClient", database: Database
) -> None:
    job_id = post_job(api, **JOB)
    lease = claimed(database, uuid.UUID(job_id)).lease
    first = api.get(f"/api/v1/jobs/{job_id}")
    assert first.json["stalled_since"] is None
    with database.write() as session:
        jobs.note_stall(session, uuid.UUID(job_id), lease, "no progress", None, seconds=60)
    second = api.get(f"/api/v1/jobs/{job_id}", headers={"If-None-Match": first.headers["ETag"]})
    assert second.status_code == 200
    assert MOMENT.fullmatch(second.json["stalled_since"])
    assert second.json["stalled_since"] < second.json["started_at"]


def test_every_link_of_a_job_leads_somewhere(api: "FlaskClient", database: Database) -> None:
    job_id = post_job(api)
    end(database, job_id, fail=True)
    for name, address in api.get(f"/api/v1/jobs/{job_id}").json["links"].items():
        method = "POST" if name in ("cancel", "retry") else "GET"
        with api.open(address, method=method) as response:
            assert response.status_code in (200, 202), name


@pytest.mark.parametrize(
    "path", ["", "/events", "/logs", "/metrics", "/history.png", "/predictions", "/files", "/files/x"]
)
def test_a_job_that_is_not_there_is_404(api: "FlaskClient", path: str) -> None:
    job_id = uuid.uuid4()
    response = api.get(f"/api/v1/jobs/{job_id}{path}")
    assert_problem(response, 404)
    assert str(job_id) in response.json["detail"]


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_job_that_is_not_there_can_not_be_controlled(api: "FlaskClient", verb: str) -> None:
    assert_problem(api.post(f"/api/v1/jobs/{uuid.uuid4()}/{verb}"), 404)


def test_an_id_that_is_none_is_404(api: "FlaskClient") -> None:
    assert_problem(api.get("/api/v1/jobs/17"), 404)


# ---- Idempotency-Key


def test_a_repeated_key_returns_the_first_job_as_it_is_now(api: "FlaskClient", database: Database) -> None:
    headers = {"Idempotency-Key": "once"}
    first = api.post("/api/v1/jobs", json=JOB, headers=headers)
    end(database, first.json["id"])
    again = api.post("/api/v1/jobs", json=JOB, headers=headers)
    assert (first.status_code, again.status_code) == (202, 200)
    assert (again.json["id"], again.json["state"]) == (first.json["id"], "succeeded")
    assert len(api.get("/api/v1/jobs").json["items"]) == 1


@pytest.mark.parametrize(
    "other",
    [{"spec": {"texts": ["two"]}}, {"priority": 6}, {"kind": "import", "spec": {"name": "a", "path": "/a"}}],
)
def test_a_key_for_another_request_is_a_conflict(api: "FlaskClient", other: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "once"}
    first = api.post("/api/v1/jobs", json=JOB, headers=headers).json["id"]
    response = api.post("/api/v1/jobs", json=JOB | other, headers=headers)
    assert_problem(response, 409)
    assert "Idempotency-Key" in response.json["detail"]
    assert [job["id"] for job in api.get("/api/v1/jobs").json["items"]] == [first]


def test_a_request_said_differently_is_the_same_request(api: "FlaskClient") -> None:
    headers = {"Idempotency-Key": "once"}
    first = api.post("/api/v1/jobs", json=JOB, headers=headers)
    body = '{"priority": 5, "spec": {"format": "parquet", "texts": ["one"]}, "kind": "sentiment"}'
    again = api.post("/api/v1/jobs", data=body, content_type="application/json", headers=headers)
    assert (again.status_code, again.json["id"]) == (200, first.json["id"])


@pytest.mark.parametrize("key", ["", "   ", "x" * 256])
def test_a_key_that_is_none_is_refused(api: "FlaskClient", key: str) -> None:
    response = api.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": key})
    assert_problem(response, 422)
    assert response.json["errors"][0]["field"] == "Idempotency-Key"
    assert api.get("/api/v1/jobs").json["items"] == []


def test_one_key_in_many_requests_at_once_makes_one_job(
    make_app: "Callable[..., Flask]", database_url: str
) -> None:
    app = make_app(database_url=database_url)

    def one(_: int) -> tuple[int, str]:
        headers = {"Idempotency-Key": "once", "Authorization": f"Bearer {TOKEN}"}
        response = app.test_client().post("/api/v1/jobs", json=JOB, headers=headers)
        return response.status_code, response.json["id"]

    answers = at_once(8, one)
    assert len({job_id for _, job_id in answers}) == 1
    assert sorted(status for status, _ in answers) == [200] * 7 + [202]


# ---- the broker


def test_a_new_job_wakes_its_queue_and_a_repeated_one_does_not(
    make_app: "Callable[..., Flask]", redis_server: "RedisProcess"
) -> None:
    client = make_app(broker_url=redis_server.url).test_client()
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "once"}
    answers = [client.post("/api/v1/jobs", json=JOB, headers=headers) for _ in range(2)]
    job_id = answers[0].json["id"]
    assert len(redis_server.messages("cpu")) == 1
    del headers["Idempotency-Key"]
    client.post(f"/api/v1/jobs/{job_id}/cancel", headers=headers)
    client.post(f"/api/v1/jobs/{job_id}/retry", headers=headers)
    assert len(redis_server.messages("cpu")) == 2
    client.post(f"/api/v1/jobs/{job_id}/pause", headers=headers)
    client.post(f"/api/v1/jobs/{job_id}/resume", headers=headers)
    assert len(redis_server.messages("cpu")) == 3


# ---- wait, ETag


def test_wait_returns_when_the_state_changes(api: "FlaskClient", database: Database) -> None:
    job_id = post_job(api)
    start = time.monotonic()
    thread = later(lambda: claimed(database, uuid.UUID(job_id)).lease)
    response = api.get(f"/api/v1/jobs/{job_id}", query_string={"wait": WAIT_SECONDS})
    seconds = time.monotonic() - start
    thread.join()
    assert response.json["state"] == "running"
    assert 0.25 < seconds < WAIT_SECONDS / 2


def test_wait_does_not_return_for_progress_unless_told_what_the_client_has(
    api: "FlaskClient", database: Database
) -> None:
    job_id = post_job(api)
    lease = claimed(database, uuid.UUID(job_id)).lease

    def advance(done: int) -> None:
        told = jobs.Progress("scoring", done, 10, "texts", None)
        with database.write() as session:
            jobs.heartbeat(session, uuid.UUID(job_id), lease, lease_seconds=30, progress=told)

    thread = later(lambda: advance(1), 0.1)
    start = time.monotonic()
    silent = api.get(f"/api/v1/jobs/{job_id}", query_string={"wait": 0.6})
    assert time.monotonic() - start >= 0.6
    thread.join()
    assert silent.json["state"] == "running"
    etag = api.get(f"/api/v1/jobs/{job_id}").headers["ETag"]
    start = time.monotonic()
    thread = later(lambda: advance(2))
    told = api.get(
        f"/api/v1/jobs/{job_id}",
        query_string={"wait": WAIT_SECONDS},
        headers={"If-None-Match": etag},
    )
    assert time.monotonic() - start < WAIT_SECONDS / 2
    thread.join()
    assert (told.status_code, told.json["progress"]["done"]) == (200, 2)


def test_wait_returns_at_once_for_a_job_that_has_ended(api: "FlaskClient", database: Database) -> None:
    job_id = post_job(api)
    end(database, job_id)
    start = time.monotonic()
    api.get(f"/api/v1/jobs/{job_id}", query_string={"wait": WAIT_SECONDS})
    assert time.monotonic() - start < WAIT_SECONDS / 2


def test_wait_that_sees_no_change_says_not_modified(api: "FlaskClient") -> None:
    job_id = post_job(api)
    etag = api.get(f"/api/v1/jobs/{job_id}").headers["ETag"]
    headers = {"If-None-Match": etag}
    response = api.get(f"/api/v1/jobs/{job_id}", query_string={"wait": 0.2}, headers=headers)
    assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", etag)


def test_more_waiting_requests_than_threads_leave_none_for_ever(api: "FlaskClient", app: "Flask") -> None:
    """Each wait gives back what it took, also those that were answered with 304."""
    job_id = post_job(api)
    free = app.extensions["jobyard"].waiters
    for _ in range(3):
        api.get(f"/api/v1/jobs/{job_id}", query_string={"wait": 0.01})
    taken = 0
    while free.acquire(blocking=False):
        taken += 1
    assert taken == 20
    start = time.monotonic()  # nobody is left to wait: answered at once
    assert api.get(f"/api/v1/jobs/{job_id}", query_string={"wait": WAIT_SECONDS}).status_code == 200
    assert time.monotonic() - start < WAIT_SECONDS / 2


def test_the_etag_changes_with_what_a_reader_sees(api: "FlaskClient") -> None:
    first, second = post_job(api), post_job(api)
    address = f"/api/v1/jobs/{second}"
    before = api.get(address)
    assert before.json["position"] == 2
    assert api.get(address, headers={"If-None-Match": before.headers["ETag"]}).status_code == 304
    api.post(f"/api/v1/jobs/{first}/cancel")
    moved_up = api.get(address, headers={"If-None-Match": before.headers["ETag"]})
    assert (moved_up.status_code, moved_up.json["position"]) == (200, 1)
    api.post(f"{address}/cancel")
    cancelled = api.get(address, headers={"If-None-Match": moved_up.headers["ETag"]})
    assert (cancelled.status_code, cancelled.json["state"]) == (200, "cancelled")


# ---- control


def test_cancel_and_retry_say_what_they_did(api: "FlaskClient") -> None:
    job_id = post_job(api)
    cancelled = api.post(f"/api/v1/jobs/{job_id}/cancel")
    assert (cancelled.status_code, cancelled.json["state"]) == (202, "cancelled")
    assert cancelled.json["cancel_requested"] is True
    retried = api.post(f"/api/v1/jobs/{job_id}/retry")
    assert (retried.status_code, retried.json["state"], retried.json["position"]) == (202, "queued", 1)
    assert retried.json["cancel_requested"] is False


def test_cancel_of_a_running_job_is_a_request(api: "FlaskClient", database: Database) -> None:
    job_id = post_job(api)
    claimed(database, uuid.UUID(job_id))
    response = api.post(f"/api/v1/jobs/{job_id}/cancel")
    assert (response.status_code, response.json["state"]) == (202, "running")
    assert response.json["cancel_requested"] is True


def test_what_the_state_does_not_allow_is_a_conflict_that_names_the_state(
    api: "FlaskClient", database: Database
) -> None:
    queued, done, cancelled = post_job(api), post_job(api), post_job(api)
    end(database, done)
    api.post(f"/api/v1/jobs/{cancelled}/cancel")
    for job_id, verb, word in (
        (queued, "retry", "queued"),
        (done, "retry", "succeeded"),
        (done, "cancel", "succeeded"),
        (cancelled, "cancel", "cancelled"),
    ):
        before = api.get(f"/api/v1/jobs/{job_id}").json
        response = api.post(f"/api/v1/jobs/{job_id}/{verb}")
        assert_problem(response, 409)
        assert word in response.json["detail"]
        assert api.get(f"/api/v1/jobs/{job_id}").json == before


# ---- lists


def test_pages_follow_their_cursor_to_the_end_without_doubles(api: "FlaskClient") -> None:
    there = [post_job(api) for _ in range(11)]
    found: list[str] = []
    cursor = None
    while True:
        query = {"limit": 4} | ({"cursor": cursor} if cursor else {})
        page = api.get("/api/v1/jobs", query_string=query).json
        found += [job["id"] for job in page["items"]]
        post_job(api)  # newer than all of it
        cursor = page["next"]
        if cursor is None:
            break
    assert found == there[::-1]


def test_a_page_that_is_just_full_is_the_last(api: "FlaskClient") -> None:
    for _ in range(4):
        post_job(api)
    assert api.get("/api/v1/jobs?limit=4").json["next"] is None
    assert api.get("/api/v1/jobs?limit=3").json["next"] is not None


def test_lists_are_filtered_by_kind_and_state(api: "FlaskClient") -> None:
    text, cancelled = post_job(api), post_job(api)
    api.post(f"/api/v1/jobs/{cancelled}/cancel")
    pictures = post_job(api, kind="import", spec={"name": "pets", "path": "/pets"})

    def ids(query: str) -> list[str]:
        return [job["id"] for job in api.get(f"/api/v1/jobs?{query}").json["items"]]

    assert ids("kind=sentiment") == [cancelled, text]
    assert ids("state=queued") == [pictures, text]
    assert ids("kind=sentiment&state=cancelled") == [cancelled]
    assert ids("kind=train") == []


# ---- timeline


def test_the_timeline_is_json_and_goes_on_from_where_the_reader_is(
    api: "FlaskClient", database: Database
) -> None:
    job_id = post_job(api)
    end(database, job_id, fail=True)
    items = api.get(f"/api/v1/jobs/{job_id}/events").json["items"]
    assert [item["state"] for item in items] == ["queued", "running", "failed"]
    assert items[-1]["message"] == "why not"
    rest = api.get(f"/api/v1/jobs/{job_id}/events", query_string={"after": items[0]["id"]}).json["items"]
    assert rest == items[1:]


def events(text: str) -> list[tuple[int, str]]:
    """(id, state) of each event of a stream."""
    found = re.findall(r"^id: (\d+)\ndata: (.*)$", text, re.MULTILINE)
    return [(int(number), json.loads(data)["state"]) for number, data in found]


def test_the_timeline_is_a_stream_that_ends_with_the_job(api: "FlaskClient", database: Database) -> None:
    job_id = post_job(api)
    thread = later(lambda: end(database, job_id))
    headers = {"Accept": "text/event-stream"}
    with api.get(f"/api/v1/jobs/{job_id}/events", headers=headers) as response:
        assert response.mimetype == "text/event-stream"
        text = response.get_data(as_text=True)
    thread.join()
    seen = events(text)
    assert [state for _, state in seen] == ["queued", "running", "succeeded"]
    assert text.endswith("event: end\ndata: {}\n\n")
    again = api.get(
        f"/api/v1/jobs/{job_id}/events", headers=headers | {"Last-Event-ID": str(seen[0][0])}
    ).get_data(as_text=True)
    assert events(again) == seen[1:]


@pytest.mark.parametrize("last", ["nonsense", "-1", "", "²"])
def test_a_last_event_id_that_is_none_begins_at_the_beginning(
    api: "FlaskClient", database: Database, last: str
) -> None:
    job_id = post_job(api)
    end(database, job_id)
    headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
    text = api.get(f"/api/v1/jobs/{job_id}/events", headers=headers).get_data(as_text=True)
    assert [state for _, state in events(text)] == ["queued", "running", "succeeded"]


# ---- metrics and history


def test_what_a_job_uses_is_no_metric_of_its_work_but_can_be_asked_for(
    api: "FlaskClient", database: Database
) -> None:
    job_id = post_job(api)
    points = [metrics.Point("loss", 1, 0.5), metrics.Point("system/memory_bytes", 5, 1e9)]
    claim = claimed(database, uuid.UUID(job_id))
    before = api.get(f"/api/v1/jobs/{job_id}")
    assert before.json["usage"] is None
    usage = jobs.Usage(1, 10, 99, 20, 1.5).after({**vars(jobs.Usage(0, 9, 99, 30, 2.0))})
    with database.write() as session:
        metrics.write(session, claim.id, points)
        jobs.heartbeat(session, claim.id, claim.lease, lease_seconds=30, progress=None, usage=usage)
    seen = api.get(f"/api/v1/jobs/{job_id}", headers={"If-None-Match": before.headers["ETag"]}).json
    assert (seen["usage"]["peak_memory_bytes"], seen["usage"]["cpu_seconds"]) == (30, 3.5)
    address = f"/api/v1/jobs/{job_id}/metrics"
    for query, names in (
        ("", ["loss"]),
        ("?points=5", ["loss"]),
        ("?system=true", ["system/memory_bytes"]),
        ("?system=true&points=5", ["system/memory_bytes"]),
        ("?name=system/memory_bytes", ["system/memory_bytes"]),
    ):
        assert [item["name"] for item in api.get(address + query).json["items"]] == names


def test_metrics_are_there_while_the_job_runs_and_can_be_thinned(
    api: "FlaskClient", database: Database
) -> None:
    job_id = post_job(api)
    points = [metrics.Point("loss", step, 1 / step, epoch=1) for step in range(1, 101)]
    with database.write() as session:
        metrics.write(session, uuid.UUID(job_id), [*points, metrics.Point("accuracy", 1, float("nan"))])
    address = f"/api/v1/jobs/{job_id}/metrics"
    items = api.get(address).json["items"]
    assert len(items) == 101
    assert set(items[0]) == {"name", "step", "epoch", "value", "at"}
    assert items[0] | {"at": None} == {
        "name": "accuracy",
        "step": 1,
        "epoch": None,
        "value": None,
        "at": None,
    }
    thinned = api.get(address, query_string={"name": "loss", "points": 4}).json["items"]
    assert [item["step"] for item in thinned] == [1, 2, 99, 100]  # the highest and the lowest between


def test_history_is_a_picture_with_an_etag(api: "FlaskClient", database: Database) -> None:
    job_id = post_job(api)
    address = f"/api/v1/jobs/{job_id}/history.png"
    assert_problem(api.get(address), 404)
    with database.write() as session:
        metrics.write(session, uuid.UUID(job_id), [metrics.Point("loss", step, 0.5) for step in (1, 2)])
    response = api.get(address)
    assert response.mimetype == "image/png"
    assert response.data.startswith(b"\x89PNG\r\n\x1a\n")
    headers = {"If-None-Match": response.headers["ETag"]}
    assert api.get(address, headers=headers).status_code == 304
    with database.write() as session:
        metrics.write(session, uuid.UUID(job_id), [metrics.Point("val_loss", 1, 0.5)])
    assert api.get(address, headers=headers).status_code == 200


# ---- the database is away


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/api/v1/jobs"),
        ("POST", "/api/v1/jobs"),
        ("GET", f"/api/v1/jobs/{uuid.UUID(int=1)}"),
        ("POST", f"/api/v1/jobs/{uuid.UUID(int=1)}/cancel"),
        ("GET", f"/api/v1/jobs/{uuid.UUID(int=1)}/events"),
        ("GET", "/api/v1/models/pets"),
    ],
)
def test_a_database_that_is_away_is_503_and_says_when_to_come_again(
    make_app: "Callable[..., Flask]", method: str, address: str
) -> None:
    client = make_app(database_url="postgresql://jobyard:x@127.0.0.1:1/jobyard").test_client()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    response = client.open(address, method=method, json=JOB if method == "POST" else None, headers=headers)
    assert_problem(response, 503)
    assert int(response.headers["Retry-After"]) > 0
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json["checks"]["database"] != "ok"


def test_a_database_that_is_away_is_tried_once_for_a_request(make_app: "Callable[..., Flask]") -> None:
    app = make_app(database_url="postgresql://jobyard:x@127.0.0.1:1/jobyard")
    backend: Backend = app.extensions["jobyard"]
    tries: list[object] = []
    sa.event.listen(backend.database.engine, "do_connect", lambda *given: tries.append(given))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert_problem(app.test_client().get("/api/v1/models/pets", headers=headers), 503)
    assert len(tries) == 1


def test_a_database_that_is_read_only_is_away_for_a_while(
    make_app: "Callable[..., Flask]", postgres: str, postgres_url: str
) -> None:
    client = make_app(database_url=postgres_url).test_client()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with read_only(postgres, postgres_url):
        for body in (JOB, [JOB, JOB]):
            response = client.post("/api/v1/jobs", json=body, headers=headers)
            assert_problem(response, 503)
            assert int(response.headers["Retry-After"]) > 0
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json["checks"]["database"] == "can't be used: ReadOnlySqlTransaction"
    assert client.post("/api/v1/jobs", json=JOB, headers=headers).status_code == 202
    assert client.get("/readyz").status_code == 200


def test_not_ready_before_the_migrations(app: "Flask", database: Database) -> None:
    with database.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    ready = app.test_client().get("/readyz")
    assert ready.status_code == 503
    assert ready.json["checks"]["database"].startswith(
        "is at revision 0001, and this version of Jobyard needs"
    )


def test_what_needs_tables_that_are_missing_says_that_the_database_was_not_migrated(
    api: "FlaskClient", database: Database
) -> None:
    assert "jobyard_database_is_migrated 1.0" in api.get("/metrics").text
    with database.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    rename_table(database, "workers", "elsewhere")
    response = api.get("/api/v1/workers")
    assert response.status_code == 503
    assert response.json["detail"].startswith("the database is at revision 0001, and this version")
    assert response.json["detail"].endswith("run `python -m jobyard.shared.migrate`")
    assert "jobyard_database_is_migrated 0.0" in api.get("/metrics").text


def test_ready_when_the_database_is_there_even_without_a_broker(app: "Flask") -> None:
    response = app.test_client().get("/readyz")
    assert (response.status_code, response.json["status"]) == (200, "ok")


def test_a_job_survives_the_server_that_took_it(make_app: "Callable[..., Flask]", api: "FlaskClient") -> None:
    job_id = post_job(api)
    other = make_app().test_client()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert other.get(f"/api/v1/jobs/{job_id}", headers=headers).json["state"] == "queued"


def test_what_the_api_says_of_a_job_is_all_in_its_row(api: "FlaskClient", database: Database) -> None:
    job_id = post_job(api)
    with database.read() as session:
        kept = session.get(Job, uuid.UUID(job_id))
        assert kept is not None
        assert kept.spec == api.get(f"/api/v1/jobs/{job_id}").json["spec"]
