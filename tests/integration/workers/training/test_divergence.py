"""What is said of trainings that led nowhere, and nothing of those that did."""

import math
from typing import Any

import numpy as np
import pytest

from jobyard.workers.training.divergence import warnings_of
from jobyard.workers.training.evaluate import judge
from jobyard.workers.training.monitor import Epoch


def history(*val_losses: float) -> list[Epoch]:
    return [
        Epoch(epoch=number, loss=0.5, accuracy=0.5, val_loss=loss, val_accuracy=0.5, learning_rate=0.1)
        for number, loss in enumerate(val_losses, 1)
    ]


def evaluation(right: int, cats: int = 10, dogs: int = 10) -> Any:
    """Of 20 pictures, so many of which are right, of cats first."""
    labels = np.repeat([0, 1], [cats, dogs])
    answers = np.where(np.arange(len(labels)) < right, labels, 1 - labels)
    return judge(np.eye(2)[answers], labels, ["cats", "dogs"], [""] * len(labels), "test")


def found(epochs: list[Epoch], judged: Any) -> list[str]:
    best = min(epochs, key=lambda epoch: epoch["val_loss"])
    return warnings_of(epochs, best, judged, 0.1)


def test_a_training_that_learned_has_no_warnings() -> None:
    assert found(history(0.6, 0.4, 0.65), evaluation(18)) == []
    assert found(history(0.8, 0.4, 0.75), evaluation(11)) == []


@pytest.mark.parametrize("losses", [(0.7, 40.0), (math.log(2),), (3.0, 2.0)])
def test_one_that_was_never_better_than_guessing_says_so(losses: tuple[float, ...]) -> None:
    (warning,) = found(history(*losses), evaluation(18))
    assert "val_loss was never below 0.6931, that of guessing" in warning
    assert "a lower learning rate may help (now 0.1)" in warning


def test_one_that_blew_up_after_its_best_epoch_says_when() -> None:
    (warning,) = found(history(0.6, 0.4, 5.5), evaluation(18))
    assert "diverged after epoch 2: val_loss rose from 0.4 to 5.5" in warning


def test_a_model_that_answers_one_class_is_said_to_be_no_better_than_that() -> None:
    assert found(history(0.6), evaluation(16, cats=15, dogs=5)) == []
    (warning,) = found(history(0.6), evaluation(15, cats=15, dogs=5))
    assert "right about 75.0% of the pictures; to answer 'cats' always would be right about 75.0%" in warning


def test_where_accuracy_decides_what_is_said_of_val_loss_is_true() -> None:
    epochs = history(0.5, 0.9, 2.0)
    assert warnings_of(epochs, epochs[2], evaluation(18), 0.1) == []
    (said,) = warnings_of(epochs, epochs[1], evaluation(18), 0.1)
    assert said.startswith("the training diverged after epoch 1: val_loss rose from 0.5 to 2, worse")
