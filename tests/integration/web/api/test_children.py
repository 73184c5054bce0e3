"""Parents and children over HTTP: what is shown, what is theirs to move, and what nobody can submit."""

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.shared import jobs
from jobyard.shared.jobs import Progress
from tests import factories

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

JOBS = "/api/v1/jobs"
SPEC = {"file": str(uuid.UUID(int=7)), "column": None, "texts": None, "thresholds": {}, "format": "csv"}


@pytest.fixture
def parent(app: "Flask") -> str:
    """A waiting job with three children, one of which has succeeded."""
    with app.extensions["jobyard"].database.write() as session:
        job = factories.submit(session, spec=SPEC)
        claim = factories.claim(session, job.id)
        assert claim is not None
        parts = [{"part": number, "parts": 3, "rows": 100} for number in range(3)]
        progress = Progress("scoring in parts", 0, 300, "rows", None)
        jobs.split(session, job.id, claim.lease, parts, window=2, progress=progress)
        child = jobs.claim(session, "cpu", worker="w", lease_seconds=30)
        assert child is not None
        assert jobs.succeed(session, child.id, child.lease, {"done": 100})
    return str(job.id)


def children(api: "FlaskClient", parent: str) -> list[dict[str, Any]]:
    return list(reversed(api.get(JOBS, query_string={"parent": parent}).json["items"]))


def test_a_waiting_job_shows_how_far_its_children_are(api: "FlaskClient", parent: str) -> None:
    seen = api.get(f"{JOBS}/{parent}").json
    assert (seen["state"], seen["phase"]) == ("waiting", "scoring in parts")
    progress = seen["progress"]
    assert (progress["done"], progress["total"], progress["unit"]) == (100, 300, "rows")
    assert progress["eta_seconds"] is not None
    assert {"children", "pause", "cancel"} <= set(seen["links"])
    assert len(api.get(seen["links"]["children"]).json["items"]) == 3


def test_children_are_listed_in_pages_by_their_parent_only(api: "FlaskClient", parent: str) -> None:
    assert [job["id"] for job in api.get(JOBS).json["items"]] == [parent]
    first = api.get(JOBS, query_string={"parent": parent, "limit": 2}).json
    rest = api.get(JOBS, query_string={"parent": parent, "limit": 2, "cursor": first["next"]}).json
    listed = [*first["items"], *rest["items"]]
    assert [job["spec"]["part"] for job in listed] == [2, 1, 0]
    assert [job["state"] for job in listed] == ["queued", "queued", "succeeded"]
    assert {job["parent_id"] for job in listed} == {parent}
    assert rest["next"] is None
    assert api.get(JOBS, query_string={"parent": "x"}).status_code == 422


def test_a_child_leads_to_its_parent_and_is_not_to_be_moved(api: "FlaskClient", parent: str) -> None:
    child = children(api, parent)[1]
    links = api.get(f"{JOBS}/{child['id']}").json["links"]
    assert links["parent"] == f"{JOBS}/{parent}"
    assert not {"cancel", "pause", "resume", "retry"} & set(links)
    for verb in ("cancel", "pause", "resume", "retry"):
        answer = api.post(f"{JOBS}/{child['id']}/{verb}")
        assert answer.status_code == 409
        assert f"is a part of job {parent}" in answer.json["detail"]


def test_the_whole_is_paused_resumed_and_cancelled(api: "FlaskClient", parent: str) -> None:
    assert api.post(f"{JOBS}/{parent}/pause").json["state"] == "paused"
    assert [job["state"] for job in children(api, parent)] == ["succeeded", "waiting", "waiting"]
    assert api.post(f"{JOBS}/{parent}/resume").json["state"] == "waiting"
    assert [job["state"] for job in children(api, parent)] == ["succeeded", "queued", "queued"]
    assert api.post(f"{JOBS}/{parent}/cancel").json["state"] == "cancelled"
    assert [job["state"] for job in children(api, parent)] == ["succeeded", "cancelled", "cancelled"]


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("parent_id", {"kind": "sentiment", "spec": {"texts": ["one"]}, "parent_id": str(uuid.UUID(int=1))}),
        ("child_window", {"kind": "sentiment", "spec": {"texts": ["one"]}, "child_window": 1}),
        ("spec.part", {"kind": "sentiment", "spec": {"part": 0, "parts": 1, "rows": 1}}),
        ("spec.part", {"kind": "sentiment", "spec": {"texts": ["one"], "part": 0}}),
        (
            "spec.checkpoint_key",
            {"kind": "sentiment", "spec": {"texts": ["one"], "checkpoint_key": "files/x"}},
        ),
    ],
)
def test_nobody_can_submit_a_child_or_name_a_key_of_the_storage(
    api: "FlaskClient", field: str, body: dict[str, Any]
) -> None:
    answer = api.post(JOBS, json=body)
    assert answer.status_code in (400, 422)
    assert field in answer.get_data(as_text=True)
    assert api.get(JOBS).json["items"] == []


def test_the_pages_show_the_whole_and_its_parts(api: "FlaskClient", parent: str) -> None:
    whole = api.get(f"/jobs/{parent}").get_data(as_text=True)
    assert "100 of 300 rows" in whole
    assert "Scoring in parts" in whole
    assert 'id="pause"' in whole
    for number, child in enumerate(children(api, parent)):
        part = api.get(f"/jobs/{child['id']}")
        assert part.status_code == 200
        text = part.get_data(as_text=True)
        assert f"part {number + 1} of 3" in text
        assert f"/jobs/{parent}" in text
        assert 'id="cancel"' not in text
