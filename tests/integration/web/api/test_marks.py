"""Names, labels and notes over HTTP: at submit, in a job's JSON and in lists, and changed by PATCH."""

import io
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.web.backend import Backend
from tests.factories import post_file, post_job

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

MARKS: dict[str, Any] = {
    "name": "Birds, again",
    "labels": {"team": "birds", "k8s.io/stage": "trial ☃"},
    "note": "as in May\nbut colder",
    "keep": True,
}
JOB: dict[str, Any] = {"kind": "sentiment", "spec": {"texts": ["so good"]}}


def marks_of(job: dict[str, Any]) -> dict[str, Any]:
    return {name: job[name] for name in MARKS}


def test_a_job_has_its_marks_wherever_it_is_read(api: "FlaskClient") -> None:
    posted = api.post("/api/v1/jobs", json=JOB | MARKS).json
    [in_list] = api.get("/api/v1/jobs").json["items"]
    for job in (posted, api.get(f"/api/v1/jobs/{posted['id']}").json, in_list):
        assert marks_of(job) == MARKS
        assert job["title"] == "Birds, again"


def test_many_jobs_have_marks_of_their_own_and_without_any_are_called_by_what_they_do(
    api: "FlaskClient",
) -> None:
    items = api.post("/api/v1/jobs", json=[JOB | MARKS, JOB]).json["items"]
    assert marks_of(items[0]) == MARKS
    assert marks_of(items[1]) == {"name": None, "labels": {}, "note": None, "keep": False}
    assert items[1]["title"] == "so good"


def test_the_name_of_a_file_is_part_of_what_a_job_does(api: "FlaskClient") -> None:
    sent = {"file": (io.BytesIO(b"a\nb\n"), "reviews.csv")}
    file = api.post("/api/v1/files", data=sent).json
    job = api.post("/api/v1/jobs", json={"kind": "sentiment", "spec": {"file": file["id"]}}).json
    assert job["title"] == "reviews.csv"


def test_a_long_spec_is_called_alike_in_lists_and_alone(api: "FlaskClient") -> None:
    long = {"kind": "sentiment", "spec": {"texts": ["long words " * 600]}}
    job = api.post("/api/v1/jobs", json=long).json
    [in_list] = api.get("/api/v1/jobs").json["items"]
    assert job["title"] == in_list["title"] == "long words long words long words long words long words long …"


def test_a_long_note_is_cut_in_lists(api: "FlaskClient") -> None:
    posted = api.post("/api/v1/jobs", json=[JOB | {"note": "n" * 10_000}]).json["items"][0]
    [in_list] = api.get("/api/v1/jobs").json["items"]
    for job in (posted, in_list):
        assert (job["note"], job["truncated"]) == ("n" * 200, ["note"])
    assert api.get(f"/api/v1/jobs/{posted['id']}").json["note"] == "n" * 10_000


@pytest.mark.parametrize(
    ("marks", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "two\u2028lines"}, "name"),
        ({"name": "\x9b31m"}, "name"),
        ({"labels": {"a": "\x85"}}, "labels.a"),
        ({"name": "n" * 201}, "name"),
        ({"labels": {"a b": "c"}}, "labels.a b"),
        ({"labels": {"a": "c\x00"}}, "labels.a"),
        ({"labels": {"a": "c" * 256}}, "labels.a"),
        ({"labels": {str(number): "" for number in range(33)}}, "labels"),
        ({"note": "n" * 10_001}, "note"),
        ({"note": "\x00"}, "note"),
    ],
)
def test_marks_that_are_none_are_refused_by_their_names(
    api: "FlaskClient", marks: dict[str, Any], field: str
) -> None:
    path = f"/api/v1/jobs/{api.post('/api/v1/jobs', json=JOB).json['id']}"
    for response in (api.post("/api/v1/jobs", json=JOB | marks), api.patch(path, json=marks)):
        assert response.status_code == 422
        assert response.json["errors"][0]["field"] == field


def test_a_patch_changes_what_it_has_and_the_etag(api: "FlaskClient") -> None:
    job = api.post("/api/v1/jobs", json=JOB | MARKS)
    path = f"/api/v1/jobs/{job.json['id']}"
    response = api.patch(path, json={"name": None, "labels": {"team": None, "new": "1"}, "priority": 7})
    assert response.status_code == 200
    assert response.json == api.get(path).json
    assert response.headers["ETag"] != job.headers["ETag"]
    changed = {"name": None, "labels": {"k8s.io/stage": "trial ☃", "new": "1"}}
    assert marks_of(response.json) == MARKS | changed
    assert (response.json["title"], response.json["priority"]) == ("so good", 7)
    assert api.patch(path, json={}).json == response.json
    assert api.patch(path, json={"labels": None}).json["labels"] == {}
    assert api.patch(path, json={"state": "failed"}).status_code == 422
    api.post(f"{path}/cancel")
    assert api.patch(path, json={"priority": 1}).status_code == 409
    assert api.patch(path, json={"note": "why"}).json["note"] == "why"


def test_a_key_is_for_one_request_with_its_marks(api: "FlaskClient") -> None:
    key = {"Idempotency-Key": "k"}
    first = api.post("/api/v1/jobs", json=JOB | MARKS, headers=key)
    assert api.post("/api/v1/jobs", json=JOB | MARKS, headers=key).json["id"] == first.json["id"]
    assert api.post("/api/v1/jobs", json=JOB, headers=key).status_code == 409


# ---- found by them


def ids(response: "TestResponse") -> list[str]:
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json["items"]]


def test_a_list_has_those_that_meet_every_condition(api: "FlaskClient") -> None:
    birds = post_job(api, **MARKS)
    file = post_file(api, b"a\nb\n", "reviews of May.csv")
    reviews = post_job(api, spec={"file": file["id"]}, labels={"team": "birds"})
    plain = post_job(api)
    for query, found in (
        ("", [plain, reviews, birds]),
        ("q=may", [reviews, birds]),
        ("q=MAY+csv", [reviews]),
        ("label=team:birds", [reviews, birds]),
        ("label=team:birds&label=k8s.io/stage:trial+☃", [birds]),
        ("kind=sentiment&kind=train&state=queued&state=running&sort=oldest", [birds, reviews, plain]),
        ("state=running", []),
        ("after=2020-01-01&before=2999-01-01T00:00:00Z", [plain, reviews, birds]),
        ("before=2020-01-01", []),
    ):
        assert ids(api.get(f"/api/v1/jobs?{query}")) == found, query
    api.patch(f"/api/v1/jobs/{birds}", json={"priority": 9})
    api.post(f"/api/v1/jobs/{plain}/cancel")
    api.post(f"/api/v1/jobs/{reviews}/cancel")
    assert ids(api.get("/api/v1/jobs?sort=priority")) == [birds]
    assert ids(api.get("/api/v1/jobs?sort=finished")) == [reviews, plain]
    first = api.get("/api/v1/jobs?sort=finished&limit=1").json
    assert ids(api.get(f"/api/v1/jobs?sort=finished&limit=1&cursor={first['next']}")) == [plain]
    api.patch(f"/api/v1/jobs/{birds}", json={"name": "autumn", "note": None})
    assert ids(api.get("/api/v1/jobs?q=may")) == [reviews]
    assert ids(api.get("/api/v1/jobs?q=autumn")) == [birds]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("q=!", "q"),
        ("label=team", "label"),
        ("kind=juggle", "kind"),
        ("state=done", "state"),
        ("before=yesterday", "before"),
        ("sort=colour", "sort"),
        ("sort=priority&state=failed", "sort"),
        ("sort=finished&state=failed&state=queued", "sort"),
        ("sort=finished&cursor=018f0000-0000-7000-8000-00000000aaaa", "cursor"),
        ("colour=red", "colour"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_by_its_name(
    api: "FlaskClient", query: str, field: str
) -> None:
    response = api.get(f"/api/v1/jobs?{query}")
    assert response.status_code == 422
    assert response.json["errors"][0]["field"] == field


def test_a_text_without_marks_is_found_by_nothing_and_writes_no_more_rows(
    api: "FlaskClient", backend: Backend
) -> None:
    post_job(api)
    api.post("/api/v1/jobs", json=[JOB] * 3)
    with backend.database.read() as session:
        assert session.scalars(sa.select(jobs.JobTerm)).all() == []
