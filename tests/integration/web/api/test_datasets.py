"""Data sets over HTTP: what an import found out, and how a version goes."""

import uuid
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobyard.shared import jobs, registry
from tests.integration.web.world import World, browser


def train(api: FlaskClient, dataset: str) -> Any:
    response = api.post("/api/v1/jobs", json={"kind": "train", "spec": {"dataset": dataset}})
    assert response.status_code == 202
    return response.json


def stored(world: World) -> set[str]:
    return {one.key for one in world.backend.storage.objects.listing()}


def test_the_report_is_with_the_data_set(world: World, api: FlaskClient) -> None:
    world.dataset()
    report = api.get("/api/v1/datasets/pets").json["report"]
    assert report["leaks_count"] == 150
    assert report["warnings"][0].startswith("150 pictures of validation are in train too")
    assert api.get("/api/v1/datasets").json["items"][0]["report"] == report


@pytest.mark.parametrize("by", ["reference", "id"])
def test_a_version_goes_with_its_pictures_and_models_stay(world: World, api: FlaskClient, by: str) -> None:
    kept, gone = world.dataset(), world.dataset()
    model = world.model(dataset_id=gone.id)
    assert {kept.storage_key, gone.storage_key} <= stored(world)
    assert api.delete(f"/api/v1/datasets/{getattr(gone, by)}").status_code == 204
    assert api.delete(f"/api/v1/datasets/{getattr(gone, by)}").status_code == 404
    assert gone.storage_key not in stored(world)
    assert kept.storage_key in stored(world)
    assert [row["reference"] for row in api.get("/api/v1/datasets").json["items"]] == ["pets@1"]
    with world.backend.database.read() as session:
        assert registry.find(session, registry.Model, str(model.id)).dataset_id is None


def test_a_name_alone_deletes_nothing(world: World, api: FlaskClient) -> None:
    world.dataset()
    response = api.delete("/api/v1/datasets/pets")
    assert response.status_code == 422
    assert "should be an id or name@version; the newest is pets@1" in response.json["detail"]
    assert api.get("/api/v1/datasets/pets").status_code == 200


def test_what_a_job_needs_stays_until_the_job_has_ended(world: World, api: FlaskClient) -> None:
    world.dataset()
    other = world.dataset()
    job = train(api, "pets@1")
    response = api.delete("/api/v1/datasets/pets@1")
    assert response.status_code == 409
    assert response.json["detail"] == (
        f"the job {job['id']} uses pets@1; wait until it has ended, or cancel it"
    )
    assert api.delete(f"/api/v1/datasets/{other.reference}").status_code == 204
    with world.backend.database.write() as session:
        jobs.cancel(session, uuid.UUID(job["id"]))
    assert api.delete("/api/v1/datasets/pets@1").status_code == 204


def test_the_page_deletes_a_version_and_says_why_not(world: World, app: Flask, api: FlaskClient) -> None:
    web = browser(app)
    world.dataset()
    world.dataset()
    train(api, "pets@1")
    assert 'action="/datasets/pets@2/delete"' in web.get("/datasets/pets").text
    refused = web.post("/datasets/pets@1/delete")
    assert refused.status_code == 409
    response = web.post("/datasets/pets@2/delete")
    assert (response.status_code, response.headers["Location"]) == (303, "/datasets")
    assert web.get("/datasets/pets@2").status_code == 404


def test_who_has_the_archive_of_a_version_finds_it(world: World, api: FlaskClient) -> None:
    first = world.dataset()
    world.dataset()
    digest = "ab" * 32
    with world.backend.database.write() as session:
        registry.note_source(session, first, digest, labels="auto", allow_partial=False)
        registry.note_source(session, first, digest, labels="auto", allow_partial=False)

    def found(**asked: str) -> list[str]:
        return [row["reference"] for row in api.get("/api/v1/datasets", query_string=asked).json["items"]]

    assert found(name="pets") == ["pets@2", "pets@1"]
    assert found(name="pets", source_sha256=digest) == ["pets@1"]
    assert found(source_sha256=digest, allow_partial="true") == ["pets@1"]
    assert found(name="cats", source_sha256=digest) == []
    assert found(source_sha256=digest, labels="table") == []
    assert found(source_sha256="cd" * 32) == []
    assert api.get("/api/v1/datasets?source_sha256=x").status_code == 422
