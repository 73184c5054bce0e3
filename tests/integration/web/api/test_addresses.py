"""Jobs that name files by their addresses: checked at once, and shown without their queries."""

import logging
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from jobyard.shared.needs import JobAddress, keep_fetched
from tests.conftest import logged_in
from tests.factories import post_file

SHOWN = "https://data.example.org/reviews/may.csv"
WHOLE = f"{SHOWN}?X-Amz-Signature=0123abcd"


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(source_hosts=("data.example.org",), source_buckets=("reviews",))


def post(api: FlaskClient, spec: dict[str, Any], to: str = "/api/v1/jobs") -> Any:
    return api.post(to, json={"kind": "sentiment", "spec": spec})


def kept(app: Flask) -> dict[str, str]:
    with app.extensions["jobyard"].database.read() as session:
        return {one.field: one.address for one in session.scalars(sa.select(JobAddress))}


def test_an_address_is_shown_without_its_query_and_kept_whole(app: Flask, api: FlaskClient) -> None:
    answer = post(api, {"file": WHOLE})
    assert answer.status_code == 202
    assert answer.json["spec"]["file"] == SHOWN
    assert kept(app) == {"file": WHOLE}
    job = f"/api/v1/jobs/{answer.json['id']}"
    for path in (job, f"{job}/events", "/api/v1/jobs", f"/jobs/{answer.json['id']}", "/"):
        page = api.get(path, headers={"Accept": "*/*" if path.startswith("/api") else "text/html"})
        assert page.status_code == 200
        assert "0123abcd" not in page.text
        assert "may.csv" in page.text or path.endswith("/events")


def test_several_may_be_uploads_and_addresses(app: Flask, api: FlaskClient) -> None:
    upload = post_file(api, b"text\nfine\n", "a.csv")["id"]
    answer = post(api, {"files": [upload, WHOLE, "s3://reviews/a?b.csv"]})
    assert answer.status_code == 202
    assert answer.json["spec"]["files"] == [upload, SHOWN, "s3://reviews/a?b.csv"]
    assert kept(app) == {"files.1": WHOLE, "files.2": "s3://reviews/a?b.csv"}


def test_many_jobs_at_once_have_their_addresses(app: Flask, api: FlaskClient) -> None:
    one = {"kind": "sentiment", "spec": {"file": WHOLE}}
    answer = api.post("/api/v1/jobs", json=[one, {"kind": "sentiment", "spec": {"texts": ["fine"]}}])
    assert answer.status_code == 202
    assert "0123abcd" not in answer.text
    assert kept(app) == {"file": WHOLE}


def test_the_same_request_makes_one_job(app: Flask, api: FlaskClient) -> None:
    ids = {
        api.post(
            "/api/v1/jobs",
            json={"kind": "sentiment", "spec": {"file": WHOLE}},
            headers={"Idempotency-Key": "once"},
        ).json["id"]
        for _ in range(2)
    }
    assert len(ids) == 1
    assert kept(app) == {"file": WHOLE}


@pytest.mark.parametrize("to", ["/api/v1/jobs", "/api/v1/jobs/check"])
@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        (
            {"file": "https://evil.example/a.csv?sig=0123abcd"},
            "spec.file",
            "JOBYARD_SOURCE_HOSTS doesn't name",
        ),
        ({"file": "http://data.example.org/a.csv?sig=0123abcd"}, "spec.file", "should be https://"),
        (
            {"file": "s3://private/a.csv"},
            "spec.file",
            "SOURCE_BUCKETS doesn't name the bucket",
        ),
        ({"file": "https://u:0123abcd@data.example.org/a.csv"}, "spec.file", "no user and no password"),
        ({"file": "ftp://data.example.org/a.csv?0123abcd"}, "spec.file", "an https:// or s3:// address"),
        ({"file": "may.csv"}, "spec.file", "should be the id of an uploaded file, or an https://"),
        ({"file": 7}, "spec.file", "should be the id of an uploaded file, or an https://"),
        (
            {"files": [WHOLE, "https://169.254.169.254/?0123abcd"]},
            "spec.files.1",
            "doesn't name 169.254.169.254",
        ),
    ],
)
def test_what_may_not_be_fetched_is_refused_at_once(
    api: FlaskClient, to: str, spec: dict[str, Any], field: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = post(api, spec, to)
    assert answer.status_code == 422
    (error,) = answer.json["errors"]
    assert error["field"] == field
    assert words in error["message"]
    assert "0123abcd" not in answer.text + caplog.text


def test_nothing_is_fetched_without_a_setting(make_app: Callable[..., Flask]) -> None:
    with logged_in(make_app()) as api:
        answer = post(api, {"file": WHOLE})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["message"] == (
        "JOBYARD_SOURCE_HOSTS doesn't name data.example.org; whoever runs Jobyard may add it, or upload the "
        "file instead"
    )


def test_texts_scored_again_are_those_that_were_fetched(app: Flask, api: FlaskClient) -> None:
    job_id = uuid.UUID(post(api, {"files": [WHOLE, "s3://reviews/a.csv"]}).json["id"])
    fetched = uuid.UUID(post_file(api, b"text\ngreat\n", "may.csv")["id"])
    with app.extensions["jobyard"].database.write() as session:
        keep_fetched(session, job_id, "files.0", fetched, address=SHOWN, etag=None, last_modified=None)
    answer = api.post(f"/jobs/{job_id}/normalize", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    again = api.get(f"/api/v1/jobs/{answer.headers['Location'].rpartition('/')[2]}").json
    assert again["spec"]["files"] == [str(fetched), "s3://reviews/a.csv"]
