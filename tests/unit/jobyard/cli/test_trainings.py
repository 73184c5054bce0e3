"""What the command train says at its end."""

import re
from types import SimpleNamespace
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.cli.trainings import AUGMENT, class_weights, show_training, train
from jobyard.shared.kinds.networks import PRESETS
from jobyard.shared.kinds.train import Augment, TrainSpec

SCORE = {"precision": 0.9, "recall": 0.875, "f1": 0.887, "support": 40}


def job(**changes: Any) -> Any:
    result = {
        "model": "pets@2",
        "epochs": 7,
        "stopped_early": None,
        "metrics": {"best": {"epoch": 5, "accuracy": 0.9712}},
        "evaluation": {
            "accuracy": 0.8876,
            "accuracy_interval": [0.8012, 0.9412],
            "pictures": 1080,
            "split": "test",
            "per_class": {"cats": SCORE, "[b]dogs": SCORE},
        },
        **changes,
    }
    return SimpleNamespace(result=result, link=lambda name: f"http://here/{name}")


def test_the_end_says_how_sure_the_accuracy_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_training(job())
    shown = " ".join(capsys.readouterr().out.split())

    assert "accuracy 0.888 (0.801 to 0.941 at 95 %) on 1,080 test pictures, 0.971 in training" in shown
    assert "weights of epoch 5, the best of 7 by val_loss" in shown
    assert "[b]dogs" in shown
    assert "stopped" not in shown
    assert "jobyard predict pets@2 PICTURE..." in shown


def test_the_end_says_why_it_came_early(capsys: pytest.CaptureFixture[str]) -> None:
    show_training(job(stopped_early="val_loss has not fallen in the 2 epochs after epoch 5"))

    assert "stopped val_loss has not fallen" in " ".join(capsys.readouterr().out.split())


def test_the_end_says_what_the_best_epoch_was_best_in(capsys: pytest.CaptureFixture[str]) -> None:
    show_training(job(monitor="val_accuracy"))

    assert "the best of 7 by val_accuracy" in " ".join(capsys.readouterr().out.split())


def stated(option: click.Parameter) -> dict[str, str]:
    """The defaults that the help of an option states: of all networks, as "default", and of single ones."""
    help_ = getattr(option, "help", None) or ""
    return dict(re.findall(rf"\b(default|{'|'.join(PRESETS)}): ([^;]+?)(?=;|\.$)", help_))


@pytest.mark.parametrize("network", PRESETS)
def test_the_help_states_the_defaults_of_each_network(network: str) -> None:
    spec = TrainSpec.model_validate({"dataset": "pets", "network": network}).model_dump()
    known = {name: value for name, value in (spec | spec["augment"]).items() if value is not None}
    options = {str(option.name): option for option in train.params}
    names = options.keys() & known.keys() - {"dataset", "network"}
    assert {"epochs", "learning_rate", "crop", "flip", "validation_split"} <= names
    for name in names:
        said = stated(options[name])
        shown = said.get(network, said.get("default", ""))
        kind = type(known[name])
        assert (shown == "yes" if kind is bool else kind(shown)) == known[name], name
    assert stated(options["network"]) == {"default": TrainSpec(dataset="pets").network}


# A comma or a number can be part of a name: only '=' can't.
def test_each_random_change_is_an_option() -> None:
    assert set(AUGMENT) == set(Augment.model_fields)
    assert set(AUGMENT) <= {option.name for option in train.params}


# Classes have no space around their names.
NAMES = (
    st.text(st.characters(exclude_characters="="), min_size=1)
    .map(str.strip)
    .filter(lambda name: name and name[0] != ",")
)


@given(st.dictionaries(NAMES, st.integers(1, 9_999).map(lambda number: number / 10), min_size=1))
def test_weights_of_classes_are_read_as_they_were_written(weights: dict[str, float]) -> None:
    written = ",".join(f"{name}={weight}" for name, weight in weights.items())

    assert class_weights(written) == weights


def test_what_is_no_map_is_for_the_server_to_judge() -> None:
    assert class_weights("balanced") == "balanced"
    assert class_weights("even") == "even"
    assert class_weights("cats=2,dogs=.5,") == {"cats": 2, "dogs": 0.5}
    assert class_weights("big cats =2, dogs=1") == {"big cats": 2, "dogs": 1}


@pytest.mark.parametrize("wrong", ["cats=", "=2", "cats=two", "cats=2;dogs=1", "cats=2,dogs", "a=1,,b=2=3"])
def test_weights_that_are_none_are_explained(wrong: str) -> None:
    with pytest.raises(
        click.UsageError, match="should be balanced, or CLASS=WEIGHT,CLASS=WEIGHT with numbers"
    ):
        class_weights(wrong)
