"""`name@best` compares what was judged on the same pictures, on both databases."""

from typing import Any

import pytest

from jobyard.shared import registry
from jobyard.shared.database import Database
from jobyard.shared.registry import Model, models
from tests import factories
from tests.factories import register

A, B = "a" * 64, "b" * 64


def add(
    database: Database,
    accuracy: float,
    *,
    sha256: str = A,
    split: str = "test",
    pictures: int = 100,
    half: float = 0.05,
    seed: int = 0,
    name: str = "pets",
) -> Model:
    """A model whose training judged it so on that data; `half` is half of the interval."""
    evaluation = {
        "accuracy": accuracy,
        "accuracy_interval": [accuracy - half, accuracy + half],
        "split": split,
        "pictures": pictures,
    }
    card = {
        "evaluation": evaluation,
        "data": {"sha256": sha256},
        "spec": {"validation_split": 0.2, "seed": seed},
    }
    return register(database, factories.model(name, card=card))


def dataset(database: Database, sha256: str, **classes: Any) -> registry.Dataset:
    parts = {split: {"cats": 5, "dogs": 5} for split in ("train", *classes)}
    return register(database, factories.dataset("data", sha256=sha256, classes=parts))


def judge(database: Database, model: Model, data: registry.Dataset, accuracy: float, **changes: Any) -> None:
    """An evaluation of the model by a job."""
    given = {"split": "test", "pictures": 100, "loss": 0.5, "job_id": None, "model_id": model.id} | changes
    interval = [accuracy - 0.05, accuracy + 0.05]
    with database.write() as session:
        registry.add_evaluation(session, dataset=data, accuracy=accuracy, accuracy_interval=interval, **given)


def best(database: Database, name: str = "pets") -> str:
    """That of the name; its aliases say the same."""
    with database.read() as session:
        found = registry.find(session, Model, f"{name}@best")
        every = registry.page(session, Model, limit=100)
        named = [one.reference for one in every if "best" in models.aliases(session, every)[one.id]]
    assert [one for one in named if one.startswith(name)] == [found.reference]
    return found.reference


def test_other_data_is_no_comparison(database: Database) -> None:
    add(database, 0.99, sha256=B, pictures=20)
    add(database, 0.8)
    add(database, 0.7)
    add(database, 0.5, name="birds")
    assert best(database) == "pets@2"
    assert best(database, "birds") == "birds@1"


def test_of_several_data_the_newest_version_s_counts(database: Database) -> None:
    for accuracy, sha256 in ((0.9, A), (0.8, A), (0.6, B), (0.7, B)):
        add(database, accuracy, sha256=sha256)
    assert best(database) == "pets@4"


def test_the_lower_end_of_the_interval_counts_and_of_equal_ones_the_newest(database: Database) -> None:
    add(database, 0.95, half=0.2)
    add(database, 0.9, half=0.01)
    add(database, 0.9, half=0.01)
    assert best(database) == "pets@3"


def test_an_evaluation_by_a_job_makes_a_version_comparable(database: Database) -> None:
    data = dataset(database, B, test=True)
    first = add(database, 0.99)
    add(database, 0.8, sha256=B)
    assert best(database) == "pets@2"
    judge(database, first, data, 0.9)
    assert best(database) == "pets@1"
    judge(database, first, data, 0.7)  # the newest counts
    assert best(database) == "pets@2"


@pytest.mark.parametrize("split", ["train", "all"])
def test_pictures_that_trained_a_model_are_no_evidence(database: Database, split: str) -> None:
    data = dataset(database, A, test=True)
    knows, knows_not = add(database, 0.7), add(database, 0.6, sha256=B)
    judge(database, knows, data, 1.0, split=split)
    judge(database, knows_not, data, 0.5, split=split)
    assert best(database) == "pets@2"
    judge(database, add(database, 0.55, sha256=B), data, 0.4, split=split)
    assert best(database) == "pets@2"


def test_of_equal_data_the_one_with_the_most_pictures_counts(database: Database) -> None:
    small, large = dataset(database, "c" * 64, test=True), dataset(database, "d" * 64, test=True)
    first, second = (add(database, 0.5, sha256=str(number) * 64) for number in (1, 2))
    for model, on_small, on_large in ((first, 0.9, 0.7), (second, 0.8, 0.75)):
        judge(database, model, small, on_small, pictures=20)
        judge(database, model, large, on_large, pictures=500)
    assert best(database) == "pets@2"


@pytest.mark.parametrize(("has_own", "expected"), [(False, "pets@2"), (True, "pets@1")])
def test_pictures_that_were_held_out_differ_by_the_seed(
    database: Database, has_own: bool, expected: str
) -> None:
    dataset(database, A, **({"validation": True} if has_own else {}))
    add(database, 0.9, split="validation", seed=1)
    add(database, 0.8, split="validation", seed=2)
    assert best(database) == expected


def test_a_foreign_model_without_an_evaluation_is_not_the_best(database: Database) -> None:
    add(database, 0.6)
    register(database, factories.model("pets", card={"source": {}}))
    assert best(database) == "pets@1"
