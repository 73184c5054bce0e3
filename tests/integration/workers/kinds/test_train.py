"""A training's way from the job's spec to its rows, and how it goes on after a pause."""

import io
import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from jobyard.shared import jobs, metrics, registry, storage
from jobyard.shared.database import Database
from jobyard.shared.jobs import Job
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.kinds import train as training
from jobyard.workers.runtime.attempt import Work
from jobyard.workers.runtime.context import Context
from tests import factories, workers
from tests.architectures import conv, layer, pictures, sequential
from tests.factories import draw
from tests.workers import make_context

# The network that is quicker to build: what is tested here is the job.
SMALL = {"network": "classic", "epochs": 3, "batch_size": 8, "image_size": 32}


@pytest.fixture
def context(sqlite_url: str, tmp_path: Path) -> Context:
    database = Database(sqlite_url)
    return make_context(database, tmp_path / "home", checkpoint_seconds=1)


@pytest.fixture
def dataset(context: Context, tmp_path: Path) -> str:
    """Discs and squares, ten of each to train and three to validate."""
    pictures = {
        f"{'train' if index < 10 else 'validation'}/{kind}/{index}.png": draw(
            tmp_path / "one.png", kind, seed=index
        ).read_bytes()
        for kind in ("discs", "squares")
        for index in range(13)
    }
    stored = context.storage.put("datasets", io.BytesIO(factories.zipped(pictures)))
    made = factories.dataset(
        "shapes",
        classes={"train": {"discs": 10, "squares": 10}},
        pictures=26,
        storage_key=stored.key,
        bytes=stored.bytes,
        sha256=stored.sha256,
    )
    return factories.register(context.database, made).reference


def submit(context: Context, dataset: str, **fields: Any) -> uuid.UUID:
    spec = TrainSpec.model_validate({"dataset": dataset, **SMALL, **fields})
    return factories.new_job(context.database, kind="train", spec=spec.model_dump(mode="json"))


def attempt(context: Context, job_id: uuid.UUID, work: Work = training.work) -> Job:
    """Do the only training that is ready; the job as that left it."""
    job = workers.attempt(context, job_id, work, kind="train")
    assert job is not None
    return job


def run(context: Context, dataset: str, **fields: Any) -> Job:
    job = attempt(context, submit(context, dataset, **fields))
    assert job.state == "succeeded", job.error_message
    return job


def history(session: Session, job_id: uuid.UUID) -> list[tuple[str, int, float | None]]:
    return [(row.name, row.step, row.value) for row in metrics.history(session, job_id)]


def test_a_model_is_registered_with_a_card_and_another_training_goes_on_from_it(
    context: Context, dataset: str
) -> None:
    job = run(context, dataset, seed=3, class_weight={"squares": 2}, monitor="val_accuracy")
    result = job.result or {}
    with context.database.read() as session:
        model = registry.find(session, registry.Model, result["model"])
        files = {file.name: file for file in storage.artifacts(session, job.id)}
        known = registry.find(session, registry.Dataset, dataset)

    card = model.card or {}
    assert set(card) == {
        "spec",
        "data",
        "class_weight",
        "backbone",
        "background",
        "evaluation",
        "warnings",
        "least_keras",
        "environment",
        "timings",
    }
    assert card["least_keras"] == "3.8"
    assert card["background"] == card["spec"]["background"] == "white"
    assert card["class_weight"] == result["class_weight"] == {"discs": 1, "squares": 2}
    assert result["monitor"] == "val_accuracy"
    assert card["spec"] == job.spec
    assert card["data"] == {"dataset": dataset, "sha256": known.sha256, "pictures": result["pictures"]}
    assert card["evaluation"] == result["evaluation"]
    assert card["evaluation"]["split"] == "validation"
    assert card["evaluation"]["pictures"] == 6
    assert card["environment"]["seed"] == 3
    assert card["timings"]["wall_seconds"] > card["timings"]["train_seconds"] > 0

    assert files["model.keras"].sha256 == model.sha256
    best_is_last = result["metrics"]["best"]["epoch"] == 3
    assert (result["weights"], result["last"]) == ("best", None if best_is_last else "last.keras")
    assert ("last.keras" in files) == (not best_is_last)

    again = run(context, dataset, init_from=model.reference, epochs=1)
    assert (again.result or {})["init_from"] == {"model": model.reference, "head": "kept"}


def uploaded(context: Context, document: Any) -> str:
    path = context.settings.home / "net.json"
    path.write_text(json.dumps(document))
    stored = context.storage.put_file("files", path)
    with context.database.write() as session:
        return str(storage.add_file(session, stored, name="net.json", media_type="application/json").id)


def test_an_uploaded_architecture_is_trained_within_the_servers_limits(
    context: Context, dataset: str
) -> None:
    network = sequential(pictures(24), conv("first"), layer("Flatten", "flat"))
    fields = {
        "network": "custom",
        "architecture": uploaded(context, network),
        "image_size": None,
        "epochs": 1,
    }
    result = run(context, dataset, **fields).result or {}
    with context.database.read() as session:
        model = registry.find(session, registry.Model, result["model"])
    assert (model.network, model.image_size) == ("custom", 24)

    again = run(context, dataset, network="custom", init_from=model.reference, image_size=None, epochs=1)
    assert (again.result or {})["init_from"] == {"model": model.reference, "head": "kept"}

    wrong = sequential(pictures(24), layer("Lambda", "evil", function="x"))
    job = attempt(context, submit(context, dataset, **fields | {"architecture": uploaded(context, wrong)}))
    assert (job.state, (job.error_message or "")[:45]) == (
        "failed",
        "architecture: layers[1] 'evil': is a Lambda, ",
    )


def test_paused_and_resumed_a_training_has_the_history_and_the_model_of_one_that_never_was(
    context: Context, dataset: str
) -> None:
    paused = submit(context, dataset)
    asked = False

    def pausing(current: Any, spec: TrainSpec) -> Any:
        progress = current.progress.update

        def noting(done: int, total: int | None, unit: str) -> None:
            nonlocal asked
            if unit == "batches" and done == 5 and not asked:
                asked = True
                with context.database.write() as session:
                    jobs.pause(session, paused)
                while True:
                    time.sleep(0.01)
                    current.progress.check()  # until a heartbeat has brought it
            progress(done, total, unit)

        current.progress.update = noting
        return training.work(current, spec)

    job = attempt(context, paused, pausing)
    assert (job.state, bool(job.checkpoint_key)) == ("paused", True)
    with context.database.write() as session:
        jobs.resume(session, paused)
    job = attempt(context, paused)
    assert job.state == "succeeded", job.error_message
    whole = run(context, dataset)

    with context.database.read() as session:
        assert history(session, paused) == history(session, whole.id)
        assert len(history(session, paused)) == 15
        phases = [event.phase for event in jobs.events(session, paused)]
    assert (job.result or {})["metrics"] == (whole.result or {})["metrics"]
    assert (job.result or {})["evaluation"] == (whole.result or {})["evaluation"]
    assert "resuming after epoch 1, batch 2" in phases
