"""Jobs are deleted over HTTP: by the API and by a button on their page."""

import uuid

from flask.testing import FlaskClient

from jobyard.web.backend import Backend
from tests.factories import change_job, post_file, post_job
from tests.integration.web.world import Page, World


def test_a_job_that_has_ended_is_deleted_and_one_that_has_not_says_why_not(
    client: FlaskClient,
) -> None:
    file = post_file(client, b"text\nfine\n", "a.csv")
    job_id = post_job(client, spec={"file": file["id"], "column": "text"})
    address = f"/api/v1/jobs/{job_id}"

    refused = client.delete(address)
    assert refused.status_code == 409
    assert refused.json["detail"] == (
        f"job {job_id} is queued; only a job that has ended can be deleted: cancel it first"
    )
    assert client.post(f"{address}/cancel").status_code == 202
    deleted = client.delete(address)
    assert (deleted.status_code, deleted.data) == (204, b"")
    for method in ("get", "delete"):
        assert getattr(client, method)(address).status_code == 404
    assert client.get(f"{address}/events").status_code == 404
    assert client.delete(f"/api/v1/files/{file['id']}").status_code == 404
    assert client.get("/api/v1/jobs").json["items"] == []


def test_the_key_of_a_deleted_job_makes_another_one(client: FlaskClient) -> None:
    body = {"kind": "sentiment", "spec": {"texts": ["one"]}}
    ids = []
    for _ in range(2):
        made = client.post("/api/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
        assert made.status_code == 202
        ids.append(made.json["id"])
        client.post(f"/api/v1/jobs/{ids[-1]}/cancel")
        assert client.delete(f"/api/v1/jobs/{ids[-1]}").status_code == 204
    assert ids[0] != ids[1]


def test_its_page_offers_it_when_it_has_ended_and_says_why_not(
    world: World, web: FlaskClient, backend: Backend
) -> None:
    ended, running = world.job("texts", "succeeded"), world.job("texts", "running")
    for job, is_offered in ((ended, True), (running, False)):
        page = Page(web.get(f"/jobs/{job.id}").text)
        assert (f"/jobs/{job.id}/delete" in page.addresses) == is_offered

    refused = web.post(f"/jobs/{running.id}/delete")
    assert refused.status_code == 409
    assert "only a job that has ended can be deleted" in refused.text

    answer = web.post(f"/jobs/{ended.id}/delete")
    assert (answer.status_code, answer.location) == (303, "/")
    assert web.get(f"/jobs/{ended.id}").status_code == 404

    part = world.job("texts", "succeeded")
    change_job(backend.database, part.id, parent_id=running.id)
    assert f"/jobs/{part.id}/delete" not in Page(web.get(f"/jobs/{part.id}").text).addresses
    assert web.post(f"/jobs/{uuid.uuid4()}/delete").status_code == 404
