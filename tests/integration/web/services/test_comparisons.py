"""Runs beside each other: what is told of them over HTTP, by the client's address and on the page."""

import re
import uuid
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobyard.client import Client, NotFound
from jobyard.shared import metrics
from jobyard.shared.metrics import Point
from jobyard.web.services.comparisons import MAX_RUNS, differences
from tests.conftest import TOKEN, served
from tests.factories import submit
from tests.integration.web.pages.test_pages import look
from tests.integration.web.world import HOSTILE, Page, World


def train(world: World, values: dict[str, list[float]], **spec: Any) -> str:
    given = {"dataset": "pets@1", "network": "classic", "epochs": 3, "augment": {"zoom": 0.2, "flip": True}}
    with world.backend.database.write() as session:
        job = submit(session, kind="train", spec=given | spec)
        points = [
            Point(name, epoch, value, epoch)
            for name, told in values.items()
            for epoch, value in enumerate(told, 1)
        ]
        metrics.write(session, job.id, points)
    return str(job.id)


def compared(api: FlaskClient, ids: list[str], status: int = 200, **query: object) -> Any:
    response = api.get("/api/v1/metrics/compare", query_string={"jobs": ",".join(ids), **query})
    assert response.status_code == status, response.text
    return response.json


def test_each_run_has_its_points_its_best_and_its_last(world: World, api: FlaskClient) -> None:
    one = train(world, {"val_accuracy": [0.5, 0.75, 0.625], "val_loss": [0.7, 0.5, 0.6]})
    other = train(world, {"val_accuracy": [0.25]}, epochs=5)
    found = compared(api, [other, one])
    assert found["name"] == "val_accuracy"
    assert found["names"] == ["val_accuracy", "val_loss"]
    assert not found["lower_is_better"]
    first, second = found["jobs"]
    assert (first["id"], first["label"], first["state"]) == (other, f"train {other[-8:]}", "queued")
    assert [point["value"] for point in second["points"]] == [0.5, 0.75, 0.625]
    assert second["best"] == {"step": 2, "epoch": 2, "value": 0.75}
    assert second["last"]["value"] == 0.625
    assert found["differences"] == {"epochs": [5, 3]}


def test_of_a_loss_the_lowest_is_the_best_and_what_is_missing_is_null(world: World, api: FlaskClient) -> None:
    one, other = train(world, {"val_loss": [0.7, 0.5, float("nan")]}), train(world, {})
    found = compared(api, [one, other], name="val_loss")
    assert found["lower_is_better"]
    assert found["jobs"][0]["best"]["value"] == 0.5
    assert found["jobs"][0]["last"] == {"step": 3, "epoch": 3, "value": None}
    assert (found["jobs"][1]["points"], found["jobs"][1]["best"], found["jobs"][1]["last"]) == (
        [],
        None,
        None,
    )


def test_long_runs_are_thinned_and_a_model_lends_its_name(world: World, api: FlaskClient) -> None:
    long = train(world, {"loss": [1 / (1 + epoch) for epoch in range(500)]})
    trained = world.job("train", "succeeded")
    found = compared(api, [long, str(trained.id), long], name="loss", points=20)
    assert [job["label"] for job in found["jobs"]] == [f"train {long[-8:]}", "pets@1"]
    assert len(found["jobs"][0]["points"]) == 20
    assert api.patch(f"/api/v1/jobs/{long}", json={"name": "the long one"}).status_code == 200
    assert compared(api, [long])["jobs"][0]["label"] == "the long one"
    assert found["jobs"][0]["best"]["step"] == 500


@pytest.mark.parametrize(
    ("written", "status", "words"),
    [
        ("{id},{gone}", 404, "there is no job {gone}"),
        ("{id},nonsense", 422, "jobs: should be ids of jobs, separated by commas; 'nonsense' is not an id"),
        (" , ", 422, f"jobs: should name 1 to {MAX_RUNS} jobs, but names 0"),
        ("many", 422, f"jobs: should name 1 to {MAX_RUNS} jobs, but names {MAX_RUNS + 1}"),
    ],
)
def test_a_wrong_job_is_named_in_one_line(
    world: World, api: FlaskClient, written: str, status: int, words: str
) -> None:
    ids = {"id": train(world, {}), "gone": str(uuid.uuid4())}
    if written == "many":
        written = ",".join(str(uuid.uuid4()) for _ in range(MAX_RUNS + 1))
    detail = compared(api, [written.format(**ids)], status)["detail"]
    assert detail == words.format(**ids)


def test_what_differs_is_told_field_by_field() -> None:
    specs = [
        {"epochs": 3, "augment": {"zoom": 0.2, "flip": True}, "seed": 0},
        {"epochs": 3, "augment": {"zoom": 0.1, "flip": True}, "seed": 0, "schedule": "cosine"},
    ]
    assert differences(specs) == {"augment.zoom": [0.2, 0.1], "schedule": [None, "cosine"]}
    assert differences(specs[:1]) == differences([]) == {}


def test_the_client_compares_jobs_and_ids(world: World, app: Flask) -> None:
    one, other = train(world, {"val_loss": [0.5, 0.25]}), train(world, {"val_loss": [0.75]}, seed=7)
    with served(app) as url, Client(url, TOKEN) as client:
        found = client.compare([client.job(one), other], "val_loss", points=1)
        assert [job["best"]["value"] for job in found["jobs"]] == [0.25, 0.75]
        assert found["differences"] == {"seed": [None, 7]}
        with pytest.raises(NotFound, match="there is no job"):
            client.compare([one, uuid.uuid4()])


# ---- the page


def test_runs_are_overlaid_on_a_page_with_what_differs(world: World, web: FlaskClient) -> None:
    one = train(world, {"val_accuracy": [0.5, 0.75], "loss": [0.7]}, model_name=HOSTILE)
    other = train(world, {"val_accuracy": [0.25]}, augment={"zoom": 0.1, "flip": True})
    page = look(web, f"/compare?jobs={one}&jobs={other}&name=val_accuracy")
    assert all(word in page.text for word in ("75.0 %", "25.0 %", "augment.zoom", "model_name", "data-every"))
    assert "augment.flip" not in page.text
    assert {f"/jobs/{one}", f"/jobs/{other}"} <= set(page.addresses)
    assert sum(address.startswith("/compare?") for address in page.addresses) == 4
    own = [address for address in page.addresses if address.startswith(("/api/v1/metrics", "/compare"))]
    for address in own:
        assert web.get(address).status_code == 200


def test_only_what_changes_is_sent_again_and_not_at_all_when_all_have_ended(
    world: World, web: FlaskClient
) -> None:
    job = world.job("train", "succeeded")
    path = f"/compare?jobs={job.id}"
    page = look(web, path)
    assert "data-every" not in page.text
    part = web.get(path, headers={"X-Fragment": "live"})
    assert "<html" not in part.text
    assert "<h1" in part.text
    seen = {"X-Fragment": "live", "If-None-Match": part.headers["ETag"]}
    assert web.get(path, headers=seen).status_code == 304


def test_a_training_is_compared_with_the_others_on_its_data_set(world: World, web: FlaskClient) -> None:
    one, _, third = (train(world, {"loss": [0.5]}, dataset=f"pets@{version}") for version in (1, 2, 1))
    assert f"/jobs/{one}/compare" in look(web, f"/jobs/{one}").addresses
    response = web.get(f"/jobs/{one}/compare", follow_redirects=True)
    page = Page(response.text)
    assert {f"/jobs/{one}", f"/jobs/{third}"} <= set(page.addresses)
    assert "Compare 2 runs" in page.text
    look(web, f"/jobs/{uuid.uuid4()}/compare", 404)


def test_trainings_are_chosen_in_the_list_of_jobs(world: World, web: FlaskClient) -> None:
    one, _ = train(world, {}), world.job("texts", "queued")
    page = look(web, "/")
    (comparable,) = re.findall(r"<input [^>]*comparable[^>]*>", page.text)
    assert f'name="jobs" value="{one}"' in comparable
    assert "/compare" in page.addresses


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/compare", 200, "Nothing to compare yet"),
        ("/compare?jobs=nonsense", 422, "is not an id"),
        (f"/compare?jobs={uuid.UUID(int=1)}", 404, "There is no job"),
    ],
)
def test_a_comparison_of_nothing_says_so(web: FlaskClient, path: str, status: int, words: str) -> None:
    assert words in look(web, path, status).text


def test_a_metric_that_nobody_has_told_of_is_said(world: World, web: FlaskClient) -> None:
    one = train(world, {"loss": [0.5]})
    assert "choose another metric above" in look(web, f"/compare?jobs={one}&name=f%001").text
    assert "has a metric yet" in look(web, f"/compare?jobs={train(world, {})}").text
