"""How a form asks for a field follows from its type in the spec."""

from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import Field as Given

from jobyard.shared import kinds
from jobyard.shared.kinds.base import Parameters, Spec
from jobyard.shared.kinds.fields import DatasetReference, ModelReference
from jobyard.web.pages.fields import Field, _fields, fields_of


class Inner(Parameters):
    ratio: float = Given(default=0.5, ge=0, le=1)


class EverySpec(Spec):
    """One field of each type."""

    number: int = Given(ge=1, le=9, description="A whole one")
    fraction: float | None = None
    choice: Literal["a", "b"] = "a"
    switch: bool = False
    text: str | None = None
    column: str | int | None = None
    file: UUID
    files: list[UUID] | None = None
    lines: list[str] | None = None
    pairs: dict[str, float] | None = None
    one_or_pairs: Literal["even", "odd"] | dict[str, float] | None = None
    text_or_pairs: str | dict[str, float] | None = None
    anything: dict[str, Any] | None = None
    numbers: list[int] | None = None
    dataset: DatasetReference
    model: ModelReference | None = None
    inner: Inner = Inner()


@pytest.fixture(scope="module")
def fields() -> dict[str, Field]:
    return {field.name: field for field in _fields(kinds.find("import"), EverySpec, "")}


@pytest.mark.parametrize(
    ("name", "entered"),
    [
        ("number", "number"),
        ("fraction", "number"),
        ("choice", "choice"),
        ("switch", "switch"),
        ("text", "text"),
        ("column", "column"),
        ("file", "file"),
        ("files", "files"),
        ("lines", "lines"),
        ("pairs", "pairs"),
        ("one_or_pairs", "choice or pairs"),
        ("text_or_pairs", "json"),
        ("anything", "json"),
        ("numbers", "json"),
        ("dataset", "text"),
        ("inner.ratio", "number"),
        ("deadline_seconds", "number"),
    ],
)
def test_each_type_is_entered_in_its_way(fields: dict[str, Field], name: str, entered: str) -> None:
    assert fields[name].input == entered


def test_bounds_choices_defaults_and_help_are_those_of_the_spec(fields: dict[str, Field]) -> None:
    number, choice, ratio = fields["number"], fields["choice"], fields["inner.ratio"]
    assert (number.required, number.least, number.most, number.step) == (True, 1, 9, "1")
    assert (number.help, number.label) == ("A whole one", "Number")
    assert (choice.required, choice.choices, choice.default) == (False, ("a", "b"), "a")
    assert (ratio.label, ratio.default, ratio.most, ratio.step) == ("Inner: ratio", 0.5, 1, "any")


def test_what_names_a_data_set_or_a_model_is_known_by_its_type(fields: dict[str, Field]) -> None:
    assert {name: field.noun for name, field in fields.items() if field.noun} == {
        "dataset": "dataset",
        "model": "model",
    }
    assert {name for name, field in fields_of("train").items() if field.noun} == {"dataset", "init_from"}


def test_a_field_that_presets_fill_has_a_default_for_each_that_does_not_leave_it_open() -> None:
    fields = fields_of("train")
    assert fields["epochs"].defaults == {
        "efficientnet-lite0": "20",
        "compact": "36",
        "classic": "10",
        "custom": "30",
    }
    assert fields["augment.crop"].defaults["classic"] == "0"
    assert "custom" not in fields["image_size"].defaults
    assert fields["head"].defaults == {"custom": "auto"}
    assert (fields["epochs"].default, fields["seed"].default, fields["seed"].defaults) == (None, 0, {})


def test_an_unknown_kind_has_no_fields() -> None:
    assert fields_of("unheard-of") == {}
