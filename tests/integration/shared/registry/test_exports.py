"""Files of models in other formats: one of each, known to all that deletes, gone with the model."""

import uuid

import pytest
import sqlalchemy as sa

from jobyard.shared import retention
from jobyard.shared.database import Database
from jobyard.shared.errors import NotFound
from jobyard.shared.registry import Model, ModelExport, exports, models
from jobyard.shared.storage import PendingKey, Stored
from jobyard.shared.storage.known import known
from tests import factories
from tests.factories import register
from tests.waiting import at_once


@pytest.fixture
def model(database: Database) -> Model:
    return register(database, factories.model("pets"))


def add(
    database: Database, model: Model, format_: str = "onnx", quantize: str = "none", *, replace: bool = False
) -> tuple[str, str | None, str]:
    """The key that is kept, the one that is unused, and the one that was written."""
    stored = Stored(f"exports/{uuid.uuid4()}", 7, "a" * 64)
    with database.write() as session:
        models.hold(session, model.id)
        kept, unused = exports.add_export(
            session,
            model.id,
            format_,
            quantize,
            stored,
            {"input": "x"},
            replace=replace,  # type: ignore[arg-type]
        )
        return kept.storage_key, unused, stored.key


def planned(database: Database) -> dict[str, str]:
    with database.read() as session:
        return dict(session.execute(sa.select(PendingKey.key, PendingKey.reason)).all())


def test_a_second_one_of_a_format_leaves_the_first(database: Database, model: Model) -> None:
    first, unused, _ = add(database, model)
    assert unused is None
    kept, unused, second = add(database, model)
    assert (kept, unused) == (first, second)
    assert planned(database) == {}


def test_a_forced_one_replaces_the_first_whose_deletion_is_planned(database: Database, model: Model) -> None:
    first, _, _ = add(database, model)
    kept, unused, second = add(database, model, replace=True)
    assert (kept, unused) == (second, first)
    assert planned(database) == {first: "replaced"}


def test_each_way_to_quantise_is_a_file_of_its_own(database: Database, model: Model) -> None:
    other = register(database, factories.model("cars"))
    for quantize in ("none", "dynamic"):
        add(database, model, "tflite", quantize)
    add(database, other)
    with database.read() as session:
        found = exports.exports_of(session, [model.id, other.id])
        found_names = {one.file_name(model) for one in found[model.id]}
        (theirs,) = found[other.id]
        assert theirs.file_name(other) == "cars-1.onnx"
    assert found_names == {"pets-1-dynamic.tflite", "pets-1.tflite"}


def test_at_once_they_take_turns_and_one_is_kept(database: Database, model: Model) -> None:
    made = at_once(4, lambda _: add(database, model))
    (kept,) = {one[0] for one in made}
    assert {one[2] for one in made} - {kept} == {one[1] for one in made if one[1] is not None}


def test_what_is_not_there_says_how_to_make_it(database: Database, model: Model) -> None:
    with database.read() as session:
        with pytest.raises(
            NotFound, match=r'kind export with the spec \{"model": "pets@1", "format": "onnx"\}'
        ):
            exports.get_export(session, model, "onnx")
        with pytest.raises(NotFound, match=r'"format": "tflite", "quantize": "float16"\}'):
            exports.get_export(session, model, "tflite", "float16")


def test_its_key_is_known_and_in_use_until_its_model_is_deleted(database: Database, model: Model) -> None:
    key, _, _ = add(database, model)
    with database.read() as session:
        assert known(session, [key, "exports/other"]) == {key}
        assert retention.in_use(session, [key, "exports/other"]) == {key}
    with database.write() as session:
        assert models.delete(session, "pets@1") == [model.storage_key, key]
    with database.read() as session:
        assert session.scalars(sa.select(ModelExport)).all() == []
        assert retention.in_use(session, [key]) == set()
    assert planned(database) == {model.storage_key: "deleted", key: "deleted"}


def test_a_model_that_was_deleted_meanwhile_gets_none(database: Database, model: Model) -> None:
    with database.write() as session:
        models.delete(session, "pets@1")
    with pytest.raises(NotFound, match="the model was deleted"):
        add(database, model)
