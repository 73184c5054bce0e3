"""Aliases of models, and what keeps a model from being deleted, on both databases."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, registry, retention
from jobyard.shared.database import Database, utcnow
from jobyard.shared.errors import BadInput, Conflict, NotFound
from jobyard.shared.jobs import State
from jobyard.shared.needs import Needs, note
from jobyard.shared.registry import Model, ModelAlias, models
from jobyard.shared.storage import File, Stored, add_file
from tests import factories
from tests.factories import new_job, register
from tests.waiting import at_once

THREADS = 8


def add(database: Database, name: str = "pets", accuracy: float | None = None, **changes: Any) -> Model:
    """A model of that accuracy."""
    metrics = {} if accuracy is None else {"best": {"val_accuracy": accuracy}}
    return register(database, factories.model(name, metrics=metrics, **changes))


def set_alias(database: Database, name: str, alias: str, version: int) -> None:
    with database.write() as session:
        models.set_alias(session, name, alias, version)


def find(database: Database, reference: str) -> str:
    with database.read() as session:
        return registry.find(session, Model, reference).reference


def delete(database: Database, reference: str, *aliases: str) -> list[str]:
    with database.write() as session:
        return models.delete(session, reference, aliases)


# ---- aliases


def test_latest_is_the_newest_and_best_the_most_accurate_of_which_the_newest(database: Database) -> None:
    for accuracy in (0.7, 0.9, 0.9, 0.8, None):
        add(database, accuracy=accuracy)
    add(database, "birds", accuracy=0.99)
    assert find(database, "pets") == find(database, "pets@latest") == "pets@5"
    assert find(database, "pets@best") == "pets@3"


def test_an_evaluation_counts_for_more_than_the_training_s_own_metrics(database: Database) -> None:
    add(database, accuracy=0.9, card={"evaluation": {"accuracy": 0.6}})
    add(database, accuracy=0.7)
    assert find(database, "pets@best") == "pets@2"
    add(database, accuracy=0.1, card={"evaluation": {"accuracy": 0.75}})
    assert find(database, "pets@best") == "pets@3"
    with database.read() as session:
        assert [found.accuracy for found in registry.page(session, Model)] == [0.75, 0.7, 0.6]


def test_where_no_accuracy_is_known_best_is_the_newest(database: Database) -> None:
    add(database)
    add(database, card={"evaluation": None})
    assert find(database, "pets@best") == "pets@2"


def test_an_alias_is_of_one_version_until_it_is_moved_or_removed(database: Database) -> None:
    for _ in range(2):
        add(database)
        add(database, "birds")
    set_alias(database, "pets", "prod", 1)
    set_alias(database, "birds", "prod", 2)
    assert (find(database, "pets@prod"), find(database, "birds@prod")) == ("pets@1", "birds@2")
    set_alias(database, "pets", "prod", 2)
    assert find(database, "pets@prod") == "pets@2"
    with database.write() as session:
        models.remove_alias(session, "pets", "prod")
    with pytest.raises(NotFound, match="no model 'pets@prod'"):
        find(database, "pets@prod")
    assert find(database, "birds@prod") == "birds@2"
    with database.write() as session, pytest.raises(NotFound, match="no alias 'prod'"):
        models.remove_alias(session, "pets", "prod")


def test_aliases_are_told_of_each_version_the_found_ones_first(database: Database) -> None:
    added = [add(database, accuracy=accuracy) for accuracy in (0.5, 0.9, 0.7)]
    other = add(database, "birds", accuracy=0.1)
    for alias in ("prod", "a"):
        set_alias(database, "pets", alias, 2)
    with database.read() as session:
        found = models.aliases(session, [added[0], added[1], other])
        assert models.aliases(session, []) == {}
    assert found == {added[0].id: [], added[1].id: ["best", "a", "prod"], other.id: ["latest", "best"]}


@pytest.mark.parametrize("alias", ["latest", "best"])
def test_what_is_found_can_not_be_set(database: Database, alias: str) -> None:
    add(database)
    with pytest.raises(BadInput, match="set by the server"):
        set_alias(database, "pets", alias, 1)


def test_an_alias_needs_a_version_that_is_there(database: Database) -> None:
    add(database)
    with pytest.raises(NotFound, match="there is no model pets@2"):
        set_alias(database, "pets", "prod", 2)


def test_data_sets_have_latest_and_no_other_alias(database: Database) -> None:
    add(database, "pets")
    set_alias(database, "pets", "prod", 1)
    dataset = registry.Dataset(
        name="pets",
        classes={},
        pictures=0,
        rejected=[],
        rejected_count=0,
        storage_key="datasets/x",
        bytes=1,
        sha256="0" * 64,
    )
    with database.write() as session:
        registry.add(session, dataset)
    with database.read() as session:
        assert registry.find(session, registry.Dataset, "pets@latest").reference == "pets@1"
        for other in ("best", "prod"):
            with pytest.raises(NotFound, match="no data set"):
                registry.find(session, registry.Dataset, f"pets@{other}")


def test_while_an_alias_is_moved_to_and_fro_it_always_means_something(database: Database) -> None:
    for _ in range(2):
        add(database)
    set_alias(database, "pets", "prod", 1)

    def one(number: int) -> set[str]:
        seen = set()
        for turn in range(10):
            if number % 2:
                set_alias(database, "pets", "prod", 1 + (number // 2 + turn) % 2)
            else:
                seen.add(find(database, "pets@prod"))
        return seen

    assert set().union(*at_once(THREADS, one)) <= {"pets@1", "pets@2"}
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(ModelAlias)) == 1


# ---- deleting


def test_a_deleted_model_goes_with_its_aliases_and_its_job_s_file_and_leaves_its_key(
    database: Database,
) -> None:
    job_id = new_job(database, kind="train", spec={"dataset": "pets@1"})
    model, other = add(database, job_id=job_id), add(database)
    with database.write() as session:
        add_file(
            session, Stored(model.storage_key, 1, "0" * 64), name="model.keras", media_type="x", job_id=job_id
        )
        add_file(session, Stored("files/last", 1, "0" * 64), name="last.keras", media_type="x", job_id=job_id)
    set_alias(database, "pets", "prod", 1)
    set_alias(database, "pets", "spare", 2)
    assert delete(database, "pets@1", "prod") == [model.storage_key]
    with database.read() as session:
        assert session.scalars(sa.select(Model.id)).all() == [other.id]
        assert session.scalars(sa.select(ModelAlias.alias)).all() == ["spare"]
        assert session.scalars(sa.select(File.name)).all() == ["last.keras"]
        assert retention.in_use(session, [model.storage_key]) == set()
    assert delete(database, str(other.id), "spare") == [other.storage_key]
    with pytest.raises(NotFound, match="there are none yet"):
        delete(database, "pets@1")


def test_a_model_with_aliases_is_deleted_only_with_all_of_them(database: Database) -> None:
    add(database), add(database)
    for alias in ("prod", "beta"):
        set_alias(database, "pets", alias, 1)
    set_alias(database, "pets", "spare", 2)
    for given, missing in (((), "beta, prod"), (("prod", "spare"), "beta"), (("best",), "beta, prod")):
        with pytest.raises(Conflict, match=rf"pets@1 is pets@beta.*name the alias as well \({missing}\)"):
            delete(database, "pets@1", *given)
    assert find(database, "pets@prod") == "pets@1"
    assert delete(database, "pets@1", "prod", "beta")
    assert find(database, "pets@spare") == "pets@2"


@pytest.mark.parametrize("reference", ["pets", "pets@latest", "pets@best", "pets@prod"])
def test_what_may_mean_another_version_tomorrow_deletes_nothing(database: Database, reference: str) -> None:
    add(database)
    set_alias(database, "pets", "prod", 1)
    with pytest.raises(BadInput, match="should name the version to delete, as pets@1"):
        delete(database, reference)
    assert find(database, "pets") == "pets@1"


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.PAUSED, State.WAITING])
def test_a_job_that_has_not_ended_keeps_its_model(database: Database, state: State) -> None:
    needed, _ = add(database), add(database)
    job_id = new_job(database, kind="predict", spec={"model": "pets@1"})
    with database.write() as session:
        note(session.connection(), [(job_id, Needs(referents=[needed.id]))])
    running = state == State.RUNNING
    with database.write() as session:
        session.execute(
            sa.update(jobs.Job).values(
                state=state,
                lease=uuid.uuid4() if running else None,
                lease_expires_at=utcnow(30) if running else None,
            )
        )
    with pytest.raises(Conflict, match=f"job {job_id} uses the model pets@1"):
        delete(database, "pets@1")
    assert find(database, "pets@1") == "pets@1"
    assert delete(database, "pets@2")


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED])
def test_a_job_that_has_ended_keeps_no_model(database: Database, state: State) -> None:
    add(database)
    new_job(database, kind="predict", spec={"model": "pets@1"})
    with database.write() as session:
        session.execute(
            sa.update(jobs.Job).values(
                state=state, finished_at=utcnow(), error_message="why" if state == "failed" else None
            )
        )
    assert delete(database, "pets@1")


@pytest.mark.parametrize("named", [("prod",), ()])
def test_an_alias_that_is_set_while_its_model_is_deleted_refers_to_nothing(
    database: Database, named: tuple[str, ...]
) -> None:
    for _ in range(10):
        model = add(database)
        barrier = Barrier(2)

        def give(version: int, barrier: Barrier = barrier) -> None:
            barrier.wait(30)
            set_alias(database, "pets", "prod", version)

        def take(reference: str, barrier: Barrier = barrier) -> None:
            barrier.wait(30)
            delete(database, reference, *named)

        with ThreadPoolExecutor(2) as pool:
            given, taken = pool.submit(give, model.version), pool.submit(take, model.reference)
            assert given.exception(30) is None or isinstance(given.exception(), NotFound)
            if isinstance(taken.exception(30), Conflict):  # the alias was there first, and not named
                assert not named
                assert find(database, "pets@prod") == model.reference
                delete(database, model.reference, "prod")
            else:
                taken.result()
        with database.read() as session:
            assert session.scalars(sa.select(ModelAlias)).all() == []


# ---- cards


def test_a_card_is_what_was_kept_and_for_older_models_what_is_still_known(database: Database) -> None:
    job_id = new_job(database, kind="train", spec={"dataset": "pets@1"})
    with database.write() as session:
        result = {"evaluation": {"accuracy": 0.5}, "timings": {"train_seconds": 1.0}}
        session.execute(sa.update(jobs.Job).values(result=result))
    old = add(database, accuracy=0.25, job_id=job_id)
    new = add(
        database,
        classes=["a", "b", "c"],
        card={
            "spec": {"epochs": 3},
            "data": {"dataset": "pets@7", "sha256": "1" * 64, "pictures": 9},
            "evaluation": {"accuracy": 0.75},
            "environment": {"keras": "3"},
            "timings": {},
        },
    )
    with database.read() as session:
        before, after = models.card(session, old), models.card(session, new)
    assert (before["evaluation"], before["spec"]) == ({"accuracy": 0.5}, {"dataset": "pets@1"})
    assert (before["data"], before["environment"], before["accuracy"]) == (None, None, 0.25)
    assert "probability of classes[1]" in before["outputs"]
    assert after["data"]["dataset"] == "pets@7"
    assert (after["accuracy"], after["spec"]) == (0.75, {"epochs": 3})
    assert after["aliases"] == ["latest", "best"]
    assert "each class" in after["outputs"]
