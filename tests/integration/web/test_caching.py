"""No answer behind the token may be kept by anybody but its owner, and every file is asked for only once."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from jobyard.shared import registry
from jobyard.web.backend import Backend
from tests.conftest import TOKEN
from tests.factories import picture, post_file, post_job
from tests.integration.web.world import HTML, World, browser

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

PRIVATE = "private, no-cache"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def world(backend: Backend) -> World:
    return World(backend)


def addresses(world: World) -> Iterator[str]:
    """One of each kind of answer: JSON, downloads, pictures and pages."""
    training, prediction = world.job("train", "succeeded"), world.job("predict", "succeeded")
    scoring, imported = world.job("file", "succeeded"), world.dataset()
    with world.backend.database.read() as session:
        model = registry.page(session, registry.Model)[0].reference
    upload = world.file("a.png", picture())
    api = "/api/v1/jobs"
    yield from (api, f"{api}/{training.id}", f"{api}/{training.id}?wait=0.0", f"{api}/{training.id}/events")
    yield from (f"{api}/{training.id}/{name}" for name in ("metrics", "history.png", "files"))
    yield from (f"{api}/{training.id}/files/last.keras", f"{api}/{scoring.id}/files/scored.parquet")
    yield from (f"{api}/{prediction.id}/predictions{kind}" for kind in ("", ".csv", ".parquet"))
    yield from (f"{api}/{scoring.id}/scores", f"/api/v1/metrics/compare?jobs={training.id}")
    yield from (f"/api/v1/{name}" for name in ("kinds", "queues", "datasets", "models", "openapi.json"))
    yield from (f"/api/v1/models/{model}{part}" for part in ("", "/file", "/card"))
    yield from ("/api/docs", "/api/v1/swagger", "/", "/models", "/datasets")
    yield from (f"/jobs/{training.id}", f"/models/{model}", f"/datasets/{imported.reference}", "/new/train")
    yield f"/files/{upload.id}/thumbnail"
    yield f"/datasets/{imported.reference}/thumbnail/train/cats/1.png"


def test_everything_behind_the_token_is_private_and_told_apart_by_who_asks(
    app: "Flask", world: World
) -> None:
    api = app.test_client()
    for address in addresses(world):
        with api.get(address, headers=BEARER) as response:
            assert response.status_code < 400, address
            assert response.headers["Cache-Control"] == PRIVATE, address
            assert {"authorization", "cookie"} <= set(response.vary.as_set()), address


def test_static_files_are_everybodys(app: "Flask") -> None:
    with app.test_client().get("/static/js/live.js") as response:
        assert response.status_code == 200
        assert response.cache_control.public
        assert response.cache_control.max_age == 3600


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/login", {"Accept": HTML}, 200),
        ("GET", "/login?token=wrong", {"Accept": HTML}, 401),
        ("GET", f"/login?token={TOKEN}", {}, 302),
        ("GET", "/", {"Accept": HTML}, 401),
        ("GET", "/api/v1/jobs", {}, 401),
        ("GET", "/static/nothing.js", {}, 404),
        ("GET", "/nothing", BEARER, 404),
        ("GET", "/nothing", BEARER | {"Accept": HTML}, 404),
        ("POST", "/api/v1/jobs", BEARER, 415),
        ("DELETE", "/api/v1/jobs", BEARER, 405),
        ("GET", "/healthz", {}, 200),
        ("GET", "/readyz", {}, 200),
    ],
)
def test_errors_the_login_and_the_moment_are_not_kept(
    app: "Flask", method: str, path: str, headers: dict[str, str], status: int
) -> None:
    response = app.test_client().open(path, method=method, headers=headers)
    assert response.status_code == status
    assert response.headers["Cache-Control"] == "no-store"
    # Of every answer, also of one that took another's place.
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"


def test_the_event_stream_is_not_kept_either(api: "FlaskClient", world: World) -> None:
    job = world.job("texts", "succeeded")
    with api.get(f"/api/v1/jobs/{job.id}/events", headers={"Accept": "text/event-stream"}) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert "accept" in response.vary.as_set()


def test_an_error_says_that_it_depends_on_what_is_accepted(app: "Flask") -> None:
    for accept in (HTML, "*/*"):
        assert "accept" in app.test_client().get("/x", headers=BEARER | {"Accept": accept}).vary.as_set()


def test_what_is_known_already_is_not_sent_again(api: "FlaskClient", app: "Flask", world: World) -> None:
    web = browser(app)
    conditional = 0
    for address in addresses(world):
        with web.get(address) as first:
            etag = first.headers.get("ETag")
        if etag is None:
            continue
        conditional += 1
        weak = etag if etag.startswith("W/") else f"W/{etag}"
        for known in (etag, weak, f'"0", {weak}', "*"):
            with web.get(address, headers={"If-None-Match": known}) as again:
                assert (again.status_code, again.data) == (304, b""), (address, known)
                assert again.headers["ETag"] == etag
                assert again.headers["Cache-Control"] == PRIVATE
        with web.get(address, headers={"If-None-Match": '"0"'}) as other:
            assert other.status_code == 200, address
    assert conditional >= 12


def a_new_job(api: "FlaskClient", headers: dict[str, str]) -> "TestResponse":
    job = {"kind": "sentiment", "spec": {"texts": ["one"]}}
    return api.post("/api/v1/jobs", json=job, headers=headers)


def test_the_fast_path_and_submits_say_the_same(api: "FlaskClient") -> None:
    job_id = post_job(api)
    answers = [
        api.get(f"/api/v1/jobs/{job_id}"),
        a_new_job(api, {}),
        a_new_job(api, {"Content-Type": "application/json; charset=utf-8"}),
    ]
    for response in answers:
        assert response.headers["Cache-Control"] == PRIVATE
        assert response.headers["Vary"] == "Authorization, Cookie"
    # An upload can be deleted, and not be read.
    with api.get(f"/api/v1/files/{post_file(api, b'one')['id']}") as response:
        assert response.status_code == 405
