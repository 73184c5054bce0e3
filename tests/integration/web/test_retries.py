"""A job whose data set or model is gone is refused a retry at once, and not queued to fail."""

import threading
import uuid
from typing import TYPE_CHECKING

import pytest

from jobyard.shared import jobs, registry, retention
from jobyard.shared.errors import JobyardError
from jobyard.shared.kinds.predict import PredictSpec
from jobyard.shared.kinds.train import TrainSpec
from jobyard.shared.needs import Needs, note
from jobyard.web.backend import Backend
from jobyard.web.services import retries
from tests.factories import change_job, dataset, get_job, model, new_job, register
from tests.integration.web.world import browser

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from flask.testing import FlaskClient


@pytest.fixture
def app(make_app: "Callable[..., Flask]", database_url: str) -> "Flask":
    """On SQLite and on PostgreSQL."""
    return make_app(database_url=database_url)


def cancelled(backend: Backend, spec: TrainSpec | PredictSpec, *things: uuid.UUID) -> uuid.UUID:
    """A job that names these data sets and models."""
    kind = "train" if isinstance(spec, TrainSpec) else "predict"
    job_id = new_job(backend.database, kind=kind, spec=spec.model_dump(mode="json"))
    with backend.database.write() as session:
        note(session.connection(), [(job_id, Needs(referents=things))])
        jobs.cancel(session, job_id)
    return job_id


def test_a_job_whose_data_set_is_gone_is_not_queued(
    app: "Flask", api: "FlaskClient", backend: Backend
) -> None:
    pets = register(backend.database, dataset("pets"))
    job_id = cancelled(backend, TrainSpec(dataset="pets@1"), pets.id)
    assert api.delete("/api/v1/datasets/pets@1").status_code == 204
    response = api.post(f"/api/v1/jobs/{job_id}/retry")
    assert response.status_code == 422
    [error] = response.json["errors"]
    assert error["field"] == "spec.dataset"
    assert error["message"] == "no data set 'pets@1'; there are none yet; submit another job"
    assert get_job(backend.database, job_id).state == "cancelled"
    page = browser(app).post(f"/jobs/{job_id}/retry")
    assert page.status_code == 422
    assert "no data set" in page.text


def test_a_job_whose_model_is_gone_is_not_queued(api: "FlaskClient", backend: Backend) -> None:
    pets = register(backend.database, model("pets"))
    job_id = cancelled(backend, PredictSpec(model="pets@1", images=[uuid.uuid4()]), pets.id)
    assert api.delete(f"/api/v1/models/{pets.id}").status_code == 204
    response = api.post(f"/api/v1/jobs/{job_id}/retry")
    assert (response.status_code, response.json["errors"][0]["field"]) == (422, "spec.model")


def test_a_job_of_a_kind_that_is_not_installed_is_told_so_too(api: "FlaskClient", backend: Backend) -> None:
    job_id = cancelled(backend, TrainSpec(dataset="pets@1"), uuid.uuid4())
    change_job(backend.database, job_id, kind="gone")
    response = api.post(f"/api/v1/jobs/{job_id}/retry")
    assert response.status_code == 422
    assert (
        response.json["detail"]
        == "spec: names a data set, a model or a file that was deleted; submit another job"
    )


def test_a_job_is_retried_if_what_it_names_is_there(api: "FlaskClient", backend: Backend) -> None:
    pets = register(backend.database, dataset("pets"))
    job_id = cancelled(backend, TrainSpec(dataset="pets@1"), pets.id)
    assert api.post(f"/api/v1/jobs/{job_id}/retry").status_code == 202
    assert api.delete("/api/v1/datasets/pets@1").status_code == 409


def test_a_retry_and_a_deletion_at_once_never_leave_a_job_without_its_data_set(backend: Backend) -> None:
    kept = 0
    for number in range(5):
        pets = register(backend.database, dataset(f"pets{number}"))
        job_id = cancelled(backend, TrainSpec(dataset=pets.reference), pets.id)
        outcomes: list[str] = []

        def retry(job_id: uuid.UUID = job_id, outcomes: list[str] = outcomes) -> None:
            try:
                retries.retry(backend, job_id)
                outcomes.append("retried")
            except JobyardError:
                outcomes.append("refused")

        def delete(reference: str = pets.reference, outcomes: list[str] = outcomes) -> None:
            try:
                with backend.database.write() as session:
                    retention.delete_dataset(session, reference)
                outcomes.append("deleted")
            except JobyardError:
                outcomes.append("kept")

        threads = [threading.Thread(target=retry), threading.Thread(target=delete)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(outcomes) in ({"retried", "kept"}, {"refused", "deleted"})
        kept += "kept" in outcomes
    with backend.database.read() as session:
        assert len(registry.page(session, registry.Dataset)) == kept
