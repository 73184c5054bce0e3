"""An evaluation on other pictures says what the training would have said, and is kept with the model."""

import io
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest
from keras import layers
from keras.initializers import Constant

from jobyard.shared import jobs, registry, storage
from jobyard.shared.database import Database
from jobyard.shared.jobs import Job
from jobyard.shared.kinds.evaluate import EvaluateSpec
from jobyard.shared.kinds.train import TrainSpec
from jobyard.shared.registry import many_classes, models
from jobyard.workers.kinds import evaluate, train, whole_evaluation
from jobyard.workers.kinds.open_zip import open_zip
from jobyard.workers.runtime.attempt import Attempt, Finish, Split
from jobyard.workers.runtime.context import Context
from tests import factories, workers
from tests.factories import draw, get_children, get_job, new_job
from tests.workers import make_context, run_queue, work_until_stopped

SIZE = 32
BATCH = 4


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    open_zip.close()


@pytest.fixture
def context(sqlite_url: str, tmp_path: Path) -> Context:
    return make_context(Database(sqlite_url), tmp_path / "home")


def dataset(context: Context, folder: Path, name: str, parts: dict[str, int], seed: int = 0) -> str:
    """Discs and squares, so many of each in each part."""
    pictures = {
        f"{part}/{kind}/{index}.png": draw(
            folder / "one.png", kind, seed=seed + 1_000 * at + index
        ).read_bytes()
        for at, (part, count) in enumerate(parts.items())
        for kind in ("discs", "squares")
        for index in range(count)
    }
    stored = context.storage.put("datasets", io.BytesIO(factories.zipped(pictures)))
    made = factories.dataset(
        name,
        classes={part: {"discs": count, "squares": count} for part, count in parts.items()},
        pictures=len(pictures),
        storage_key=stored.key,
        bytes=stored.bytes,
        sha256=stored.sha256,
    )
    return factories.register(context.database, made).reference


def trained(context: Context, data: str, **fields: Any) -> dict[str, Any]:
    """The result of a short training."""
    given = {"epochs": 1, "batch_size": BATCH, "image_size": SIZE, "network": "classic", "seed": 7}
    spec = TrainSpec.model_validate({"dataset": data, **given, **fields})
    job_id = new_job(context.database, kind="train", spec=spec.model_dump(mode="json"))
    job = workers.attempt(context, job_id, train.work, kind="train")
    assert job is not None
    assert job.state == "succeeded", job.error_message
    return job.result or {}


def submit(context: Context, model: str, data: str, split: str = "auto") -> uuid.UUID:
    spec = EvaluateSpec.model_validate({"model": model, "dataset": data, "split": split})
    return new_job(context.database, kind="evaluate", spec=spec.model_dump(mode="json"))


def run(context: Context, model: str, data: str, split: str = "auto") -> Job:
    job_id = submit(context, model, data, split)
    run_queue(context, evaluate.work, kind="evaluate")
    return get_job(context.database, job_id)


def evaluated(context: Context, model: str, data: str, split: str = "auto") -> dict[str, Any]:
    job = run(context, model, data, split)
    assert job.state == "succeeded", job.error_message
    return job.result or {}


@pytest.mark.parametrize(
    ("parts", "network"),
    [
        ({"train": 6, "test": 5}, "classic"),
        ({"train": 6, "validation": 5}, "classic"),
        ({"train": 9}, "classic"),
        ({"train": 6, "test": 5}, "efficientnet-lite0"),
    ],
)
def test_on_the_pictures_that_judged_the_training_it_says_the_same_to_the_last_digit(
    context: Context, tmp_path: Path, parts: dict[str, int], network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset(context, tmp_path, "shapes", parts)
    training = trained(context, data, network=network)
    result = evaluated(context, training["model"], data)
    assert result["evaluation"] == training["evaluation"]
    assert result["warnings"] == []

    monkeypatch.setattr(evaluate, "PART_PICTURES", BATCH)
    in_parts = evaluated(context, training["model"], data, training["evaluation"]["split"])
    assert in_parts["evaluation"] == training["evaluation"]


def test_of_many_classes_the_result_has_the_worst_and_two_files_have_all(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset(context, tmp_path, "shapes", {"train": 6, "test": 5})
    whole = trained(context, data)["evaluation"]
    for module in (whole_evaluation, many_classes, train):
        monkeypatch.setattr(module, "MAX_CLASSES", 1)
    training = trained(context, data)
    assert training["classes"] == []
    assert training["pictures"] == {"train": 10, "validation": 2, "test": 10}
    job = run(context, training["model"], data)
    for job_id, evaluation in (
        (model_of(context, training["model"]).job_id, training["evaluation"]),
        (job.id, (job.result or {})["evaluation"]),
    ):
        assert evaluation == many_classes.shortened(whole)
        assert evaluation["confusion"] == []
        kept = artifacts(context, job_id)
        assert json.loads(kept["evaluation.json"]) == whole
        assert kept["confusion.csv"].decode().splitlines() == [
            ",discs,squares",
            *(
                f"{name},{left},{right}"
                for name, (left, right) in zip(whole["classes"], whole["confusion"], strict=True)
            ),
        ]
    assert (model_of(context, training["model"]).card or {})["evaluation"] == training["evaluation"]


def model_of(context: Context, reference: str) -> registry.Model:
    with context.database.read() as session:
        return registry.find(session, registry.Model, reference)


def artifacts(context: Context, job_id: uuid.UUID | None) -> dict[str, bytes]:
    """The files of a job."""
    assert job_id is not None
    with context.database.read() as session:
        found = storage.artifacts(session, job_id)
    contents = {}
    for file in found:
        with context.storage.open(file.storage_key) as opened:
            contents[file.name] = opened.read()
    return contents


def test_another_data_set_is_evaluated_as_a_whole_or_by_a_split_and_all_are_kept_with_the_model(
    context: Context, tmp_path: Path
) -> None:
    data = dataset(context, tmp_path, "shapes", {"train": 6, "validation": 2})
    other = dataset(context, tmp_path, "others", {"train": 4, "test": 3}, seed=500)
    flat = dataset(context, tmp_path, "flat", {"train": 4}, seed=900)
    model = trained(context, data)["model"]
    asked = [(other, "auto"), (other, "train"), (other, "all"), (flat, "auto"), (data, "train")]
    results = [evaluated(context, model, name, split) for name, split in asked]
    assert [(one["evaluation"]["split"], one["evaluation"]["pictures"]) for one in results] == [
        ("test", 6),
        ("train", 8),
        ("all", 14),
        ("all", 8),
        ("train", 12),
    ]
    assert [len(one["warnings"]) for one in results] == [0, 0, 0, 0, 1]
    matrices = [one["evaluation"]["confusion"] for one in results]
    assert [
        [matrices[0][row][column] + matrices[1][row][column] for column in range(2)] for row in range(2)
    ] == matrices[2]

    with context.database.read() as session:
        found = registry.find(session, registry.Model, model)
        kept = registry.evaluations(session, found.id)
        card = models.card(session, found)
    assert [(one.dataset, one.split) for one in kept] == [
        (name, one["evaluation"]["split"])
        for (name, _), one in zip(reversed(asked), reversed(results))  # noqa: B905
    ]
    newest = results[-1]["evaluation"]
    assert (kept[0].accuracy, kept[0].accuracy_interval) == (newest["accuracy"], newest["accuracy_interval"])
    assert [one["dataset"] for one in card["evaluations"]] == [one.dataset for one in kept]
    assert card["accuracy"] == card["evaluation"]["accuracy"], "that of the training stays"


def imported(context: Context, folder: Path, classes: list[str]) -> str:
    """A model without a card, as one from elsewhere. Of two classes, bright pictures are the second."""
    head = {"kernel_initializer": Constant(1 / 30), "bias_initializer": Constant(-8)}
    last = layers.Dense(1, "sigmoid", **head) if len(classes) == 2 else layers.Dense(len(classes), "softmax")
    network = [keras.Input((SIZE, SIZE, 3)), layers.GlobalAveragePooling2D(), last]
    keras.Sequential(network).save(folder / "model.keras")
    stored = context.storage.put_file("models", folder / "model.keras")
    made = factories.model(
        "foreign",
        network="imported",
        classes=classes,
        image_size=SIZE,
        storage_key=stored.key,
        bytes=stored.bytes,
        sha256=stored.sha256,
    )
    return factories.register(context.database, made).reference


def test_classes_are_matched_by_name_and_those_without_pictures_have_no_support(
    context: Context, tmp_path: Path
) -> None:
    data = dataset(context, tmp_path, "shapes", {"train": 5})
    one = evaluated(context, imported(context, tmp_path, ["discs", "squares"]), data)["evaluation"]
    other = evaluated(context, imported(context, tmp_path, ["squares", "discs"]), data)["evaluation"]
    assert one["confusion"][0] != one["confusion"][1], "the network tells them apart, if badly"
    assert other["confusion"] == one["confusion"][::-1], "the same outputs mean the other class"
    three = evaluated(context, imported(context, tmp_path, ["squares", "stars", "discs"]), data)["evaluation"]
    assert three["classes"] == ["squares", "stars", "discs"]
    assert {name: score["support"] for name, score in three["per_class"].items()} == {
        "squares": 5,
        "stars": 0,
        "discs": 5,
    }
    lows = [evaluation["accuracy_interval"][0] for evaluation in (one, other, three)]
    best = max(range(3), key=lambda number: (lows[number], number)) + 1
    with context.database.read() as session:
        assert registry.find(session, registry.Model, "foreign@best").reference == f"foreign@{best}"


def test_a_class_that_the_model_does_not_know_is_refused_by_name(context: Context, tmp_path: Path) -> None:
    data = dataset(context, tmp_path, "shapes", {"train": 5})
    job = run(context, imported(context, tmp_path, ["discs", "Squares"]), data)
    assert job.state == "failed"
    assert job.error_message == (
        "shapes@1 has 'squares', of which foreign@1 knows nothing: its classes are 'discs', 'Squares'; "
        "classes are matched by their names"
    )


def test_a_split_that_is_not_there_and_broken_weights_are_refused(context: Context, tmp_path: Path) -> None:
    data = dataset(context, tmp_path, "shapes", {"train": 5})
    model = imported(context, tmp_path, ["discs", "squares"])
    assert (
        run(context, model, data, "test").error_message == "the data set has no test pictures; it has train"
    )

    network = keras.models.load_model(tmp_path / "model.keras")
    network.set_weights([weight * float("nan") for weight in network.get_weights()])
    network.save(tmp_path / "model.keras")
    stored = context.storage.put_file("models", tmp_path / "model.keras")
    broken = factories.model(
        "broken", classes=["discs", "squares"], image_size=SIZE, storage_key=stored.key, sha256=stored.sha256
    )
    reference = factories.register(context.database, broken).reference
    assert "probabilities are not finite" in (run(context, reference, data).error_message or "")


def test_a_cancel_stops_it_and_its_parts_and_nothing_is_registered(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "PART_PICTURES", BATCH)
    monkeypatch.setattr(evaluate, "BATCH_SIZE", BATCH)
    data = dataset(context, tmp_path, "shapes", {"train": 8})
    model = imported(context, tmp_path, ["discs", "squares"])
    job_id = submit(context, model, data)

    def work(attempt: Attempt, spec: Any) -> Finish | Split:
        if attempt.claim.parent_id is not None and spec.part == 1:
            with context.database.write() as session:
                jobs.cancel(session, job_id)
            work_until_stopped(attempt)
        return evaluate.work(attempt, spec)

    run_queue(context, work, kind="evaluate")
    assert get_job(context.database, job_id).state == "cancelled"
    states = [part.state for part in get_children(context.database, job_id)]
    assert states == ["succeeded", "cancelled", "cancelled", "cancelled"]
    with context.database.read() as session:
        found = registry.find(session, registry.Model, model)
        assert registry.evaluations(session, found.id) == []


def test_an_evaluation_outlives_its_job_and_its_data_set_but_not_its_model(
    context: Context, tmp_path: Path
) -> None:
    data = dataset(context, tmp_path, "shapes", {"train": 5})
    model = imported(context, tmp_path, ["discs", "squares"])
    job = run(context, model, data)
    with context.database.write() as session:
        session.delete(session.get(Job, job.id))
        session.delete(registry.find(session, registry.Dataset, data))
    with context.database.read() as session:
        found = registry.find(session, registry.Model, model)
        (kept,) = registry.evaluations(session, found.id)
    assert (kept.dataset, kept.job_id, kept.dataset_id) == (data, None, None)
    with context.database.write() as session:
        models.delete(session, model)
        assert registry.evaluations(session, found.id) == []
