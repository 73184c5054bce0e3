"""The kinds of job as the API lists them, and jobs whose kind is not installed any more."""

import uuid
from typing import TYPE_CHECKING

import pytest

from jobyard.shared import kinds
from jobyard.web.backend import Backend
from tests.factories import claimed, new_job

if TYPE_CHECKING:
    from flask.testing import FlaskClient


def test_every_kind_is_listed_with_its_queue_and_the_schema_of_its_spec(api: "FlaskClient") -> None:
    listed = {kind["kind"]: kind for kind in api.get("/api/v1/kinds").get_json()["items"]}
    assert list(listed) == list(kinds.by_name())
    for name, kind in kinds.by_name().items():
        assert listed[name]["queue"] == kind.queue
        assert listed[name]["title"] == kind.label
        assert listed[name]["schema"] == kind.Spec.model_json_schema()
    assert listed["train"]["description"].startswith("Train a CNN on a data set of pictures.")


@pytest.fixture
def removed(backend: Backend) -> uuid.UUID:
    """A job of a kind whose package was removed."""
    return new_job(backend.database, kind="removed", spec={"file": "x", "texts": ["one"], "n": 1})


@pytest.mark.parametrize("state", ["queued", "running", "cancelled"])
def test_a_job_whose_kind_was_removed_is_still_shown_and_controlled(
    api: "FlaskClient", backend: Backend, removed: uuid.UUID, state: str
) -> None:
    if state == "running":
        claimed(backend.database, removed)
    if state == "cancelled":
        assert api.post(f"/api/v1/jobs/{removed}/cancel").status_code == 202
    job = api.get(f"/api/v1/jobs/{removed}").get_json()
    assert (job["kind"], job["state"]) == ("removed", state)
    assert [one["id"] for one in api.get("/api/v1/jobs").get_json()["items"]] == [str(removed)]
    page = api.get(f"/jobs/{removed}", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "removed" in page.text
    assert str(removed) in api.get("/", headers={"Accept": "text/html"}).text
    assert api.get("/new/removed", headers={"Accept": "text/html"}).status_code == 404
