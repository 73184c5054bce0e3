"""A page of a list is short, whatever its rows hold, and its cursor leads to all of them."""

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, metrics, registry
from jobyard.shared.database import utcnow
from jobyard.shared.jobs import JobEvent
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.web.backend import Backend
from jobyard.web.services import budgets
from tests.factories import claimed, dataset, model, new_job, put_file, register
from tests.integration.web.world import browser

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

TEXTS = [f"{number} {'x' * 990}" for number in range(50)]
# Of JSON beside its items, and an item that may go past the budget.
SLACK = 100_000


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "PAGE_BYTES", 10_000)


def pages(
    api: "FlaskClient", address: str, *, following: str = "cursor", **query: object
) -> Iterator[dict[str, Any]]:
    """All pages of a list, as a client follows them."""
    while True:
        response = api.get(address, query_string=query)
        assert response.status_code == 200, response.text
        assert len(response.data) < budgets.PAGE_BYTES + SLACK
        yield response.json
        if response.json["next"] is None:
            return
        query[following] = response.json["next"]


def a_long_job(backend: Backend, texts: list[str] = TEXTS) -> uuid.UUID:
    spec = SentimentSpec(texts=texts).model_dump(mode="json")
    return new_job(backend.database, spec=spec)


def test_a_list_of_jobs_leaves_out_what_is_long_and_the_job_has_it(
    api: "FlaskClient", backend: Backend
) -> None:
    job_id = a_long_job(backend)
    claim = claimed(backend.database, job_id)
    result = {"count": 50, "scores": [{"compound": 0.5}] * 1_000}
    with backend.database.write() as session:
        assert jobs.succeed(session, job_id, claim.lease, result)
    [listed] = api.get("/api/v1/jobs").json["items"]
    whole = api.get(f"/api/v1/jobs/{job_id}").json
    assert (whole["spec"]["texts"], whole["result"], whole["truncated"]) == (TEXTS, result, [])
    assert (listed["spec"]["texts"], listed["result"]) == ([], {"count": 50, "scores": []})
    assert listed["truncated"] == ["spec.texts", "result.scores"]
    same = whole.keys() - {"spec", "result", "truncated", "waiting_for"}
    assert {name: listed[name] for name in same} == {name: whole[name] for name in same}


def test_the_answer_to_a_list_of_jobs_is_a_list_too(api: "FlaskClient") -> None:
    sent = [{"kind": "sentiment", "spec": {"texts": TEXTS}}, {"kind": "sentiment", "spec": {"texts": ["a"]}}]
    for status in (202, 200):
        response = api.post("/api/v1/jobs", json=sent, headers={"Idempotency-Key": "many"})
        assert response.status_code == status
        assert sorted(map(len, (item["spec"]["texts"] for item in response.json["items"]))) == [0, 1]
        assert sorted(len(item["truncated"]) for item in response.json["items"]) == [0, 1]


@pytest.mark.usefixtures("small_pages")
def test_a_page_of_jobs_ends_early_and_the_next_goes_on(api: "FlaskClient", backend: Backend) -> None:
    ids = [str(new_job(backend.database, spec={"texts": ["x" * 3_000]})) for _ in range(7)]
    found = [[item["id"] for item in page["items"]] for page in pages(api, "/api/v1/jobs")]
    assert [len(part) for part in found] == [2, 2, 2, 1]
    assert [job_id for part in found for job_id in part] == ids[::-1]


def test_children_are_listed_in_brief(api: "FlaskClient", backend: Backend) -> None:
    parent = a_long_job(backend)
    claim = claimed(backend.database, parent)
    with backend.database.write() as session:
        progress = jobs.Progress("parts", 0, 1, "rows", None)
        jobs.split(session, parent, claim.lease, [{"texts": TEXTS}] * 3, window=1, progress=progress)
    items = api.get(f"/api/v1/jobs?parent={parent}").json["items"]
    assert [item["truncated"] for item in items] == [["spec.texts"]] * 3


def test_pages_and_comparisons_show_long_specs_by_what_they_are(
    app: "Flask", api: "FlaskClient", backend: Backend
) -> None:
    web = browser(app)
    ids = [str(a_long_job(backend, texts)) for texts in (TEXTS, TEXTS[::-1], TEXTS)]
    assert web.get("/").text.count("50 texts") >= 3
    compared = api.get("/api/v1/metrics/compare", query_string={"jobs": ",".join(ids)}).json
    assert compared["differences"] == {"texts": [[], [], []]}
    assert compared["truncated"] == ["texts"]
    same = api.get("/api/v1/metrics/compare", query_string={"jobs": f"{ids[0]},{ids[2]}"}).json
    assert (same["differences"], same["truncated"]) == ({}, [])
    assert web.get(f"/compare?jobs={','.join(ids)}").status_code == 200
    missing = api.get("/api/v1/metrics/compare", query_string={"jobs": f"{ids[0]},{uuid.uuid4()}"})
    assert missing.status_code == 404


@pytest.mark.usefixtures("small_pages")
def test_data_sets_and_models_of_many_classes_are_listed_in_brief(
    app: "Flask", api: "FlaskClient", backend: Backend
) -> None:
    names = [f"class {number}" for number in range(2_000)]
    for version in range(3):
        many = dataset(
            "pets", classes={"train": dict.fromkeys(names, version)}, rejected=[{"file": "x" * 900}] * 9
        )
        register(backend.database, many)
        card = {"evaluation": {"accuracy": version / 4, "confusion": [[1] * 100] * 100}}
        register(backend.database, model("pets", classes=names, card=card))
    register(backend.database, dataset("few"))
    register(backend.database, model("few", metrics={"best": {"val_accuracy": 0.5}}))
    found = [item for page in pages(api, "/api/v1/datasets") for item in page["items"]]
    assert [item["reference"] for item in found] == ["few@1", "pets@3", "pets@2", "pets@1"]
    assert found[0]["truncated"] == []
    assert found[1]["truncated"] == ["classes.train", "rejected"]
    assert found[1]["rejected"] == []
    assert len(api.get("/api/v1/datasets/pets@1").json["classes"]["train"]) == 2_000

    found = [item for page in pages(api, "/api/v1/models") for item in page["items"]]
    assert [(item["reference"], item["accuracy"]) for item in found] == [
        ("few@1", 0.5),
        ("pets@3", 0.5),
        ("pets@2", 0.25),
        ("pets@1", 0.0),
    ]
    assert [item["aliases"] for item in found] == [["latest", "best"], ["latest", "best"], [], []]
    assert (found[1]["classes"], found[1]["truncated"]) == ([], ["classes"])
    assert len(api.get("/api/v1/models/pets@1").json["classes"]) == 2_000
    with backend.database.read() as session:  # a list changes nothing of what it shows in brief
        assert registry.find(session, registry.Model, "pets@3").card == card

    web = browser(app)
    for path in ("/datasets", "/models", "/new/predict"):
        page = web.get(path)
        assert page.status_code == 200
        assert len(page.data) < 50_000
    assert "1995 more" in web.get(f"/models?cursor={api.get('/api/v1/models').json['next']}").text


@pytest.mark.usefixtures("small_pages")
def test_a_long_timeline_comes_in_pages_and_no_message_is_long(
    app: "Flask", api: "FlaskClient", backend: Backend
) -> None:
    job_id = new_job(backend.database)
    claim = claimed(backend.database, job_id)
    row = {"job_id": job_id, "state": "running", "attempt": 1}
    rows = [{**row, "message": f"{number} {'x' * 900}"} for number in range(40)]
    with backend.database.write() as session:
        session.execute(sa.insert(JobEvent).values(at=utcnow()), rows)
        message, trace = "m" * 100_000, "t" * 100_000
        assert jobs.fail(session, job_id, claim.lease, error_type="E", message=message, traceback=trace)
    found = list(pages(api, f"/api/v1/jobs/{job_id}/events", following="after"))
    assert len(found) > 4
    events = [event for page in found for event in page["items"]]
    assert len(events) == 43
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    assert (len(events[-1]["message"]), len(events[-1]["traceback"])) == (2_000, 20_000)
    [listed] = api.get("/api/v1/jobs").json["items"]
    assert len(listed["error"]["message"]) == 2_000
    first = api.get(f"/api/v1/jobs/{job_id}/events?limit=2").json
    assert (len(first["items"]), first["next"]) == (2, str(events[1]["id"]))
    stream = api.get(f"/api/v1/jobs/{job_id}/events", headers={"Accept": "text/event-stream"})
    assert stream.text.count("data: {") == 44
    assert "earlier event" not in browser(app).get(f"/jobs/{job_id}").text


@pytest.mark.usefixtures("small_pages")
def test_predictions_of_many_classes_end_a_page_early(api: "FlaskClient", backend: Backend) -> None:
    job_id = new_job(
        backend.database, kind="predict", spec={"model": "pets@1", "images": None, "explain": False}
    )
    each = {f"a class with a long name {number:05}": 0.0001 for number in range(100)}
    with backend.database.write() as session:
        rows = [
            {"image": f"{number}", "label": "a", "probability": 0.5, "probabilities": each, "error": None}
            for number in range(30)
        ]
        registry.keep_predictions(session, job_id, rows)
    for sort in ("row", "probability"):
        found = list(pages(api, f"/api/v1/jobs/{job_id}/predictions", sort=sort))
        assert len(found) > 2
        assert [row["image"] for page in found for row in page["items"]] == [
            str(number) for number in range(30)
        ]


@pytest.mark.parametrize("query", [{}, {"points": 5}, {"name": "loss"}, {"name": "loss", "points": 4}])
def test_metrics_come_in_pages(api: "FlaskClient", backend: Backend, query: dict[str, object]) -> None:
    job_id = new_job(backend.database, kind="train")
    points = [metrics.Point(name, step, step % 7) for name in ("a:b", "loss") for step in range(1, 30)]
    with backend.database.write() as session:
        metrics.write(session, job_id, points)
    address = f"/api/v1/jobs/{job_id}/metrics"
    whole = api.get(address, query_string=query).json
    assert whole["next"] is None
    for limit in (1, 3, 1_000):
        found = [item for page in pages(api, address, **query, limit=limit) for item in page["items"]]
        assert found == whole["items"]


def test_artifacts_come_in_pages(api: "FlaskClient", backend: Backend) -> None:
    job_id = new_job(backend.database)
    names = [f"{letter}.csv" for letter in "abcde"]
    for name in names:
        put_file(backend, name, b"x", job_id=job_id)
    found = list(pages(api, f"/api/v1/jobs/{job_id}/files", limit=2))
    assert [len(page["items"]) for page in found] == [2, 2, 1]
    assert [file["name"] for page in found for file in page["items"]] == names
    assert api.get(f"/api/v1/jobs/{job_id}/files/c.csv").data == b"x"


def test_long_titles_are_cut(app: "Flask", backend: Backend) -> None:
    new_job(backend.database, kind="import", spec={"name": "pets", "file": None, "path": "/" + "x" * 4_000})
    page = browser(app).get("/").text
    assert "pets from /xxx" in page
    assert "x" * 200 not in page
