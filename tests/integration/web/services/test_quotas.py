"""A token never has more queued jobs than it may, however its requests come, and others are not held up."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.shared.database import Database
from jobyard.web.backend import Backend
from tests.conftest import TOKEN
from tests.factories import post_job
from tests.integration.web.world import HTML
from tests.waiting import at_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from flask.testing import FlaskClient

JOB: dict[str, Any] = {"kind": "sentiment", "spec": {"texts": ["one"]}}
MOST, THREADS = 5, 8


@pytest.fixture
def app(make_app: "Callable[..., Flask]", database_url: str) -> "Flask":
    """On SQLite and on PostgreSQL."""
    return make_app(database_url=database_url)


@pytest.fixture
def database(backend: Backend) -> Database:
    """The app's."""
    return backend.database


@pytest.fixture
def bounded(app: "Flask", api: "FlaskClient") -> "Callable[[], FlaskClient]":
    """Clients of one token that may have MOST queued jobs."""
    given = {"name": "ci", "scope": "submit", "max_queued": MOST}
    secret = api.post("/api/v1/tokens", json=given).json["secret"]

    def client() -> "FlaskClient":
        made = app.test_client()
        made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
        return made

    return client


def queued(api: "FlaskClient") -> int:
    return len(api.get("/api/v1/jobs?created_by=ci&state=queued").json["items"])


def test_submits_at_once_are_together_not_over_it(
    api: "FlaskClient", bounded: "Callable[[], FlaskClient]"
) -> None:
    def submit(number: int) -> list[int]:
        client = bounded()
        # Alone, which shares a transaction with others, and in lists.
        return [client.post("/api/v1/jobs", json=body).status_code for body in (JOB, [JOB], JOB)]

    answers = Counter(status for statuses in at_once(THREADS, submit) for status in statuses)
    assert answers == {202: MOST, 429: 3 * THREADS - MOST}
    assert queued(api) == MOST
    assert post_job(api, **JOB)


def test_a_repeated_submit_is_answered_with_its_job_at_the_quota_too(
    api: "FlaskClient", bounded: "Callable[[], FlaskClient]"
) -> None:
    client = bounded()
    for body in (JOB, [JOB, JOB]):
        headers = {"Idempotency-Key": f"key of a {type(body).__name__}"}
        first = client.post("/api/v1/jobs", json=body, headers=headers)
        assert first.status_code == 202
        while client.post("/api/v1/jobs", json=JOB).status_code == 202:
            pass
        again = client.post("/api/v1/jobs", json=body, headers=headers)
        assert again.status_code == 200
        assert api.post("/api/v1/jobs/cancel", json={"created_by": ["ci"]}).json["moved"] == MOST


def test_a_request_over_the_quota_is_refused_before_its_files_are_uploaded(
    bounded: "Callable[[], FlaskClient]",
) -> None:
    client = bounded()
    assert client.post("/api/v1/jobs/check", json=[JOB] * MOST).status_code == 204
    assert client.post("/api/v1/jobs/check", json=[JOB] * (MOST + 1)).status_code == 429
    for _ in range(MOST):
        post_job(client, **JOB)
    refused = client.post("/api/v1/jobs/check", json=JOB)
    assert refused.status_code == 429
    assert "the token 'ci' may have 5 queued jobs, and has 5" in refused.json["detail"]


@pytest.mark.parametrize(("away", "back"), [("pause", "resume"), ("cancel", "retry")])
def test_jobs_that_were_set_aside_come_back_as_far_as_there_is_room(
    app: "Flask", api: "FlaskClient", bounded: "Callable[[], FlaskClient]", away: str, back: str
) -> None:
    client = bounded()
    ids = [post_job(client, **JOB) for _ in range(MOST)]
    assert client.post(f"/api/v1/jobs/{away}", json={"ids": ids}).json["moved"] == MOST
    for _ in range(MOST - 2):
        post_job(client, **JOB)
    wanted = {"ids": [*ids, post_job(api, **JOB)]}
    for is_dry in (True, False):
        done = client.post(f"/api/v1/jobs/{back}", json=wanted | {"dry_run": is_dry}).json
        assert done["moved"] == 2
        refused = {one["reason"]: one["count"] for one in done["refused"]}
        assert refused == {"over the quota": MOST - 2, "queued": 1}
        assert "the token 'ci' has as many queued jobs as it may, 5" in str(done["refused"])
    assert queued(api) == MOST
    one = client.post(f"/api/v1/jobs/{ids[-1]}/{back}")
    assert (one.status_code, "Retry-After" in one.headers) == (429, True)
    browser = app.test_client()
    browser.environ_base |= {"HTTP_ACCEPT": HTML, "HTTP_ORIGIN": "http://localhost"}
    browser.get("/login", query_string={"token": client.environ_base["HTTP_AUTHORIZATION"][7:]})
    assert browser.post(f"/jobs/{ids[-1]}/{back}").status_code == 429
    assert queued(api) == MOST
    # Whoever has none is not bound by that of others.
    assert TOKEN in api.environ_base["HTTP_AUTHORIZATION"]
    assert api.post(f"/api/v1/jobs/{ids[-1]}/{back}").status_code == 202
    assert queued(api) == MOST + 1
