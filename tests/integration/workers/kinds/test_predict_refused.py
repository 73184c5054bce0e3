"""A prediction by a model whose file is not what was registered fails with the reason, and loads nothing."""

import hashlib
import io
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobyard.shared.database import Database
from jobyard.shared.jobs import Job
from jobyard.shared.kinds.predict import PredictSpec
from jobyard.shared.registry import models
from jobyard.workers import kinds
from jobyard.workers.runtime.context import Context
from tests import factories
from tests.workers import attempt, make_context

HDF5 = b"\x89HDF\r\n\x1a\n" + b"weights"


@pytest.fixture
def context(sqlite_url: str, tmp_path: Path) -> Iterator[Context]:
    database = Database(sqlite_url)
    yield make_context(database, tmp_path / "home")
    database.dispose()


def register(context: Context, registered: bytes, stored: bytes) -> None:
    """A model that was registered with one file, where the storage now has another."""
    kept = context.storage.put("models", io.BytesIO(stored))
    sha256 = hashlib.sha256(registered).hexdigest()
    model = factories.model(image_size=32, storage_key=kept.key, bytes=len(registered), sha256=sha256)
    factories.register(context.database, model)


def submit(context: Context) -> uuid.UUID:
    file = factories.put_file(context, "a.png", factories.picture())
    spec = PredictSpec(model="pets@1", images=[file.id]).model_dump(mode="json")
    return factories.new_job(context.database, kind="predict", spec=spec)


def predict(context: Context, job_id: uuid.UUID) -> Job:
    job = attempt(context, job_id, kinds.WORKS["predict"], kind="predict")
    assert job is not None
    return job


@pytest.mark.parametrize(
    ("registered", "stored", "words"),
    [
        (b"weights", b"weights!", "the model file does not match its SHA-256"),
        (b"weights", HDF5, "the model file does not match its SHA-256"),
        (HDF5, HDF5, "the model file can't be loaded"),
    ],
    ids=["tampered", "replaced by an .h5", "an .h5 all along"],
)
def test_a_file_that_this_server_did_not_write_is_not_loaded(
    context: Context, registered: bytes, stored: bytes, words: str
) -> None:
    register(context, registered, stored)
    job = predict(context, submit(context))
    assert job.state == "failed"
    assert words in str(job.error_message)
    assert "\n" not in str(job.error_message)


def test_a_job_whose_model_went_in_the_moment_of_its_submit_says_so(context: Context) -> None:
    register(context, b"weights", b"weights")
    with context.database.write() as session:
        models.delete(session, "pets@1")
    job = predict(context, submit(context))
    assert (job.state, job.error_message) == ("failed", "no model 'pets@1'; there are none yet")
