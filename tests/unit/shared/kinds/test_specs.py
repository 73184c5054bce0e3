"""What a job may be asked to do: defaults, limits, names."""

import string
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from jobyard.shared import kinds
from jobyard.shared.errors import BadInput
from jobyard.shared.import_roots import ImportRoots
from jobyard.shared.kinds.base import Queue, Spec
from jobyard.shared.kinds.fields import Alias, DatasetReference, Name
from jobyard.shared.kinds.findings import Findings
from jobyard.shared.kinds.imports import ImportSpec
from jobyard.shared.kinds.networks import PRESETS
from jobyard.shared.kinds.predict import MAX_IMAGES, Predict, PredictSpec
from jobyard.shared.kinds.preview import Reading
from jobyard.shared.kinds.sentiment import MAX_TEXT_CHARACTERS, MAX_TEXTS, SentimentSpec, Thresholds
from jobyard.shared.kinds.submission import Submit
from jobyard.shared.kinds.train import MAX_CLASS_WEIGHTS, Augment, Train, TrainSpec, unknown_classes
from tests.factories import model

NAME = string.ascii_letters + string.digits + "._-"
NAMES = st.builds(str.__add__, st.sampled_from(NAME[:62]), st.text(NAME, max_size=63))
name = TypeAdapter(Name).validate_python
reference = TypeAdapter(DatasetReference).validate_python
alias = TypeAdapter(Alias).validate_python


def test_a_preview_reads_a_file_by_the_fields_of_its_scoring() -> None:
    for name, field in Reading.model_fields.items():
        same = SentimentSpec.model_fields[name]
        assert (field.annotation, field.default, field.metadata, field.is_required()) == (
            same.annotation,
            same.default,
            same.metadata,
            same.is_required(),
        ), name


def test_each_kind_has_its_queue() -> None:
    assert {name: kind.queue for name, kind in kinds.by_name().items()} == {
        "train": Queue.GPU,
        "predict": Queue.PREDICT,
        "evaluate": Queue.PREDICT,
        "sentiment": Queue.CPU,
        "import": Queue.CPU,
        "export": Queue.PREDICT,
        "register": Queue.PREDICT,
    }


def test_a_training_of_nothing_but_a_data_set_is_the_pretrained_one() -> None:
    spec = TrainSpec(dataset="pets")
    assert spec.network == "efficientnet-lite0"
    assert spec == TrainSpec(dataset="pets", network="efficientnet-lite0")
    assert (spec.optimizer, spec.schedule) == ("adam", "cosine")
    assert (spec.steps_per_epoch, spec.validation_steps) == (None, None)


def test_compact_is_trained_as_it_was_when_it_was_the_default() -> None:
    """Clients and rows that name it mean that."""
    spec = TrainSpec(dataset="pets", network="compact")
    assert (spec.epochs, spec.fine_tune_epochs, spec.batch_size, spec.image_size) == (36, 0, 64, 96)
    assert (spec.optimizer, spec.learning_rate, spec.schedule) == ("muon", 0.008, "cosine")
    assert (spec.warmup_epochs, spec.weight_decay, spec.label_smoothing) == (2, 0.05, 0.1)
    assert spec.augment == Augment(shear=8, zoom=0.1, crop=0.4, flip=True)


def test_classic_is_trained_as_in_the_tutorial_unless_something_else_is_said() -> None:
    spec = TrainSpec(dataset="pets", network="classic")
    assert (spec.epochs, spec.batch_size, spec.image_size) == (10, 32, 150)
    assert (spec.optimizer, spec.learning_rate, spec.schedule) == ("adam", 0.001, "constant")
    assert (spec.warmup_epochs, spec.weight_decay, spec.label_smoothing) == (0, 0, 0)
    assert spec.augment == Augment(shear=0.2, zoom=0.2, crop=0, flip=True)

    other = TrainSpec.model_validate(
        {"dataset": "pets", "network": "classic", "epochs": 3, "augment": {"zoom": 0.5}}
    )
    assert other == spec.model_copy(
        update={"epochs": 3, "augment": spec.augment.model_copy(update={"zoom": 0.5})}
    )


def test_an_architecture_makes_the_network_custom() -> None:
    spec = TrainSpec.model_validate({"dataset": "pets", "architecture": str(uuid.UUID(int=1))})
    assert (spec.network, spec.head, spec.rescale, spec.image_size) == ("custom", "auto", "auto", None)
    assert Train().inputs(spec) == {"architecture": uuid.UUID(int=1)}


@pytest.mark.parametrize("network", PRESETS)
def test_a_spec_that_was_written_down_is_read_back_as_it_was(network: str) -> None:
    spec = TrainSpec.model_validate({"dataset": "pets", "network": network, "learning_rate": 0.5})

    assert TrainSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"network": ["classic"]}, "network"),
        ({"network": None}, "network"),
        ({"network": "classic", "augment": "none"}, "augment"),
        ({"network": "classic", "augment": {"crops": 1}}, "augment.crops"),
    ],
)
def test_a_networks_preset_hides_no_mistake(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TrainSpec.model_validate({"dataset": "pets", **given})

    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [field]


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("epochs", 1, 10_000),
        ("batch_size", 1, 4_096),
        ("image_size", 32, 512),
        ("steps_per_epoch", 1, 1_000_000),
        ("validation_steps", 1, 1_000_000),
        ("seed", 0, 2**31 - 1),
        ("warmup_epochs", 0, 100),
        ("weight_decay", 0, 1),
    ],
)
def test_numbers_of_a_training_end_where_they_should(field: str, least: int, most: int) -> None:
    for value in (least, most):
        assert getattr(TrainSpec.model_validate({"dataset": "pets", field: value}), field) == value
    for value in (least - 1, most + 1):
        with pytest.raises(ValidationError, match=field):
            TrainSpec.model_validate({"dataset": "pets", field: value})


@pytest.mark.parametrize(
    ("change", "most"), [("rotation", 180), ("brightness", 1), ("contrast", 1), ("shear", 45)]
)
def test_changes_of_pictures_end_where_they_should(change: str, most: int) -> None:
    for value in (0, most):
        assert getattr(Augment.model_validate({change: value}), change) == value
    for value in (-0.01, most + 0.01):
        with pytest.raises(ValidationError, match=change):
            Augment.model_validate({change: value})


@pytest.mark.parametrize("network", PRESETS)
def test_what_no_network_needs_is_off(network: str) -> None:
    spec = TrainSpec.model_validate({"dataset": "pets", "network": network})
    assert (spec.augment.rotation, spec.augment.brightness, spec.augment.contrast) == (0, 0, 0)
    assert (spec.class_weight, spec.monitor) == (None, "val_loss")


WEIGHTS = st.floats(0, 1_000, exclude_min=True)


@given(st.dictionaries(st.text(min_size=1), WEIGHTS, min_size=1))
def test_weights_of_classes_are_kept_through_json(weights: dict[str, float]) -> None:
    spec = TrainSpec(dataset="pets", class_weight=weights)
    assert spec.class_weight == weights
    assert TrainSpec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    "wrong",
    [
        *("even", "", [], {}, 2, True, [["cats", 2]]),
        *({"cats": wrong} for wrong in (0, -1, 1_000.1, float("nan"), float("inf"), "much", None)),
        {str(number): 1 for number in range(MAX_CLASS_WEIGHTS + 1)},
    ],
)
def test_wrong_weights_of_classes_are_said_once(wrong: object) -> None:
    with pytest.raises(ValidationError) as caught:
        TrainSpec.model_validate({"dataset": "pets", "class_weight": wrong})
    (found,) = caught.value.errors()
    assert found["loc"] == ("class_weight",)
    assert found["msg"].endswith("should be 'balanced', or weights above 0 and at most 1,000 by class")


def test_of_many_classes_some_are_named() -> None:
    classes = [f"c{number}" for number in range(22)]
    assert unknown_classes({"c21": 1}, classes) is None
    assert str(unknown_classes({"c0": 1, "x" * 99: 1}, classes)).endswith("c19 and 2 more")
    assert f"{'x' * 50!r}:" in str(unknown_classes({"x" * 99: 1}, classes))


def test_of_a_label_more_than_half_stays() -> None:
    for value in (0, 0.5):
        assert TrainSpec(dataset="pets", label_smoothing=value).label_smoothing == value
    for value in (-0.01, 0.51):
        with pytest.raises(ValidationError, match="label_smoothing"):
            TrainSpec(dataset="pets", label_smoothing=value)


@pytest.mark.parametrize("kind", kinds.by_name())
def test_an_unknown_field_is_an_error_and_not_a_silent_default(kind: str) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        kinds.find(kind).Spec.model_validate({"colour": "red"})


# ---- names


@given(NAMES)
def test_good_names_are_taken_as_they_are(text: str) -> None:
    assert name(text) == text
    assert reference(text) == text
    assert reference(f"{text}@1") == f"{text}@1"
    assert reference(f"{text}@999999999") == f"{text}@999999999"
    assert reference(f"{text}@latest") == f"{text}@latest"


@given(NAMES)
def test_an_alias_is_a_name_that_begins_with_a_letter(text: str) -> None:
    if text[0].isalpha():
        assert alias(text) == text
        assert reference(f"pets@{text}") == f"pets@{text}"
    else:
        with pytest.raises(ValidationError):
            alias(text)


@given(st.text(max_size=70))
def test_nothing_else_is_a_name(text: str) -> None:
    good = 1 <= len(text) <= 64 and set(text) <= set(NAME) and text[0] not in "._-"
    if good:
        assert name(text) == text
    else:
        with pytest.raises(ValidationError):
            name(text)


@given(NAMES, st.characters(exclude_characters=NAME), st.integers(0, 64))
def test_one_bad_character_anywhere_spoils_a_name(text: str, bad: str, place: int) -> None:
    with pytest.raises(ValidationError):
        name((text[:place] + bad + text[place:])[:64] if place < 63 else text[:63] + bad)


@pytest.mark.parametrize(
    "version", ["", "0", "01", "-1", "1.0", "1st", "-one", "a b", "é", "a" * 65, "²", "1234567890", "1@2"]
)
def test_a_version_that_is_none_is_refused(version: str) -> None:
    with pytest.raises(ValidationError):
        reference(f"pets@{version}")


# ---- texts


@given(st.lists(st.text(min_size=1, max_size=50).filter(lambda text: bool(text.strip())), min_size=1))
def test_texts_are_kept_as_they_are_through_json(texts: list[str]) -> None:
    spec = SentimentSpec(texts=texts)
    assert SentimentSpec.model_validate_json(spec.model_dump_json()).texts == texts


@given(st.text(" \t\n\r\f\v", max_size=20))
def test_a_text_of_nothing_but_space_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        SentimentSpec(texts=["one", text])


def test_texts_end_where_they_should() -> None:
    longest = "☃" * MAX_TEXT_CHARACTERS
    assert SentimentSpec(texts=[longest] * MAX_TEXTS)
    for wrong in ([longest + "x"], ["x"] * (MAX_TEXTS + 1), []):
        with pytest.raises(ValidationError):
            SentimentSpec(texts=wrong)


# ---- own words


def test_own_words_may_be_in_capitals_and_emoji() -> None:
    spec = SentimentSpec(texts=["hi"], lexicon={"Sick": 2, "MEH": -1, "😂": 3, "❤️": 2.5, "→": 1, "👍🏽": 1})
    assert spec.lexicon == {"sick": 2, "meh": -1, "😂": 3, "❤️": 2.5, "→": 1, "👍🏽": 1}
    assert SentimentSpec(texts=["hi"], lexicon={"Sick": 2, "sick": 2}).lexicon == {"sick": 2}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"Sick": 2, "sick": 1}, "'sick' has two valences: capitals don't matter"),
        ({"❤️": 2, "❤": 1}, "'❤' has two valences: U\\+FE0F after an emoji doesn't matter"),
        ({"x": 1}, "'x' should have 2 to 100 characters, or be an emoji"),
        ({"好": 1}, "or be an emoji"),
        ({"x" * 101: 1}, "should have 2 to 100 characters"),
        ({"😂" * 101: 1}, "should have 2 to 100 characters"),
        ({"very sick": 1}, "should be one word, without white space"),
    ],
)
def test_own_words_that_no_text_could_have_are_refused(words: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SentimentSpec(texts=["hi"], lexicon=words)


# ---- one source


FILE = str(uuid.uuid4())


@pytest.mark.parametrize(
    ("spec", "given_", "words"),
    [
        (SentimentSpec, {}, "should have either texts, file or files"),
        (SentimentSpec, {"texts": ["one"], "file": FILE}, "should have either texts, file or files"),
        (SentimentSpec, {"texts": ["one"], "column": "a"}, "column should only be given with file"),
        (PredictSpec, {"model": "m"}, "should have either images, dataset or archive"),
        (
            PredictSpec,
            {"model": "m", "images": [FILE], "dataset": "d"},
            "should have either images, dataset or archive",
        ),
        (PredictSpec, {"model": "m", "images": []}, "at least 1"),
        (
            PredictSpec,
            {"model": "m", "archive": FILE, "dataset": "d"},
            "should have either images, dataset or",
        ),
        (
            PredictSpec,
            {"model": "m", "images": [FILE] * 101, "explain": True},
            "at most 100 pictures",
        ),
        (PredictSpec, {"model": "m", "images": [FILE] * (MAX_IMAGES + 1)}, f"at most {MAX_IMAGES}"),
        (ImportSpec, {"name": "n"}, "should have either file or path"),
        (ImportSpec, {"name": "n", "file": FILE, "path": "/n"}, "should have either file or path"),
        (ImportSpec, {"name": "n", "path": "n"}, "pattern"),
        (ImportSpec, {"name": "n", "path": "/n\x00"}, "pattern"),
    ],
)
def test_a_job_has_one_source(spec: type[Spec], given_: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        spec.model_validate(given_)


# ---- thresholds


BOUND = st.floats(-1, 1)


@given(BOUND, BOUND, BOUND)
def test_a_score_has_the_label_of_its_side(first: float, second: float, compound: float) -> None:
    negative, positive = sorted((first, second))
    if negative == positive:
        with pytest.raises(ValidationError, match="negative should be below positive"):
            Thresholds(positive=positive, negative=negative)
        return
    label = Thresholds(positive=positive, negative=negative).label(compound)
    assert (label == "positive") == (compound >= positive)
    assert (label == "negative") == (compound <= negative)
    assert (label == "neutral") == (negative < compound < positive)


def test_the_default_thresholds_are_vaders() -> None:
    label = Thresholds().label
    assert [label(score) for score in (0.05, 0.0499, 0, -0.0499, -0.05)] == [
        "positive",
        "neutral",
        "neutral",
        "neutral",
        "negative",
    ]


# ---- requests


def test_a_request_is_told_apart_by_its_kind() -> None:
    request = Submit.model_validate({"kind": "import", "spec": {"name": "pets", "path": "/pets"}}).root
    assert isinstance(request.spec, ImportSpec)
    assert request.priority == 5


def test_a_spec_goes_to_the_database_and_back_unchanged() -> None:
    for spec in (
        TrainSpec(dataset="pets@1", steps_per_epoch=3),
        PredictSpec(model="pets@1", images=[uuid.uuid4()]),
        SentimentSpec(file=uuid.uuid4(), column="text"),
        ImportSpec(name="pets", path="/pets"),
    ):
        assert type(spec).model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    "column", [0, 2_001, "", {"number": 0}, {"number": 2_001}, {"name": "a"}, "x" * 1_001, 1.5, True, []]
)
def test_a_wrong_column_is_said_once(column: object) -> None:
    with pytest.raises(ValidationError) as caught:
        SentimentSpec.model_validate({"file": str(uuid.uuid4()), "column": column})
    (found,) = caught.value.errors()
    assert found["loc"] == ("column",)
    assert found["msg"].endswith("should be a name, or a number from 1 to 2,000")


def test_explanations_are_for_texts_of_a_bearable_length() -> None:
    texts = ["a " * (MAX_TEXT_CHARACTERS // 2)] * 50
    assert SentimentSpec(texts=texts, explain=True).explain
    assert SentimentSpec(texts=[*texts, "one"]).texts
    with pytest.raises(ValidationError, match=r"at most 500,000 characters in all"):
        SentimentSpec(texts=[*texts, "one"], explain=True)


@pytest.mark.parametrize(
    ("given", "field"), [({"fine_tune_epochs": 2}, "fine_tune_epochs"), ({"views": 3}, "views")]
)
def test_what_is_for_pretrained_networks_is_refused_for_others(given: dict[str, Any], field: str) -> None:
    pretrained = TrainSpec.model_validate({"dataset": "pets", **given})
    assert Train().resolve(pretrained, Findings(ImportRoots(()))) == pretrained

    other = TrainSpec.model_validate({"dataset": "pets", "network": "compact", **given})
    with pytest.raises(BadInput, match="for 'compact': it is for pretrained networks only") as caught:
        Train().resolve(other, Findings(ImportRoots(())))
    assert caught.value.field == f"spec.{field}"


@pytest.mark.parametrize(
    ("classes", "given", "kept"), [(20, None, None), (21, None, 5), (1_000, None, 5), (1_000, 900, 900)]
)
def test_of_more_than_twenty_classes_the_five_most_probable_are_kept(
    classes: int, given: int | None, kept: int | None
) -> None:
    found = Findings(ImportRoots(()))
    found.models["model"] = model("many", classes=[str(index) for index in range(classes)])
    spec = PredictSpec(model="many@1", archive=uuid.uuid4(), top=given)
    assert Predict().resolve(spec, found).top == kept
