"""Which epoch is the best, and when patience ends."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.training.monitor import Monitor


def monitored(epochs: list[tuple[float, float]], **spec: Any) -> Monitor:
    """After these epochs of (val_loss, val_accuracy), or fewer if it stops."""
    monitor = Monitor(NoProgress())
    whole = TrainSpec.model_validate({"dataset": "d", "epochs": 99, **spec})
    monitor.enter("training", whole, steps=1, before=0)
    for number, (loss, accuracy) in enumerate(epochs):
        if not monitor.over:
            ended = {"loss": 1.0, "accuracy": 0.5, "learning_rate": 0.1}
            monitor.on_epoch_end(number, ended | {"val_loss": loss, "val_accuracy": accuracy})
    return monitor


EPOCHS = [(0.9, 0.5), (0.7, 0.8), (0.5, 0.7), (0.8, 0.8), (0.6, 0.8), (0.5, 0.75), (0.6, 0.8)]


def test_the_best_epoch_has_the_lowest_val_loss_or_the_highest_val_accuracy() -> None:
    assert monitored(EPOCHS).best["epoch"] == 3
    assert monitored(EPOCHS, monitor="val_loss").best["epoch"] == 3
    assert monitored(EPOCHS[:4], monitor="val_accuracy").best["epoch"] == 2


def test_of_equal_accuracies_the_lowest_val_loss_and_of_equal_epochs_the_first_is_best() -> None:
    assert monitored(EPOCHS, monitor="val_accuracy").best["epoch"] == 5


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_no_epoch_is_better_than_the_best_and_none_as_good_before_it(epochs: list[tuple[int, int]]) -> None:
    by_loss, by_accuracy = monitored(epochs).best, monitored(epochs, monitor="val_accuracy").best
    ranks = [(-accuracy, loss) for loss, accuracy in epochs]

    assert by_loss["epoch"] - 1 == [loss for loss, _ in epochs].index(min(loss for loss, _ in epochs))
    assert by_accuracy["epoch"] - 1 == ranks.index(min(ranks))


def test_patience_watches_what_is_monitored() -> None:
    falling = [(1 / number, 0.5 if number == 1 else 0.4) for number in range(1, 9)]
    assert not monitored(falling, patience=2).over
    accuracy = monitored(falling, patience=2, monitor="val_accuracy")
    assert len(accuracy.history) == 3
    assert accuracy.stopped_early == "val_accuracy has not risen in the 2 epochs after epoch 1"

    rising = [(1 - 1 / number, 1 - 1 / number) for number in range(1, 9)]
    assert not monitored(rising, patience=2, monitor="val_accuracy").over
    loss = monitored(rising, patience=2)
    assert loss.stopped_early == "val_loss has not fallen in the 2 epochs after epoch 1"


def test_a_lower_val_loss_at_the_same_accuracy_is_worth_waiting_for() -> None:
    assert not monitored(
        [(1 / number, 0.5) for number in range(1, 9)], patience=2, monitor="val_accuracy"
    ).over


def test_weights_that_are_not_finite_end_a_training_whose_losses_are() -> None:
    monitor = monitored(EPOCHS[:1], learning_rate=0.5)
    ended = {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5, "learning_rate": 0.1}

    with pytest.raises(
        WorkError, match=r"^weights became NaN in epoch 2; try a lower learning_rate \(now 0\.5\)$"
    ):
        monitor.on_epoch_end(1, ended, weights_are_finite=False)


def test_a_stage_with_a_rate_of_its_own_names_that() -> None:
    monitor = monitored(EPOCHS[:1])
    spec = TrainSpec.model_validate({"dataset": "d", "learning_rate": 0.25})
    monitor.enter("fine-tuning", spec, steps=1, before=1, rate="fine_tune_learning_rate")

    with pytest.raises(
        WorkError, match=r"^loss became NaN in epoch 2; try a lower fine_tune_learning_rate \(now 0\.25\)$"
    ):
        monitor.on_train_batch_end(0, {"loss": math.nan})


def test_patience_ends_a_stage_and_counts_anew_in_the_next() -> None:
    monitor = monitored(EPOCHS, patience=2)
    assert (monitor.stopped_early is not None, len(monitor.history)) == (True, 5)

    spec = TrainSpec.model_validate({"dataset": "d", "epochs": 3, "patience": 2})
    monitor.enter("fine-tuning", spec, steps=1, before=5)
    reached = []
    for number in (5, 6, 7):
        if not monitor.over:
            ended = {"loss": 1.0, "accuracy": 0.5, "learning_rate": 0.1}
            monitor.on_epoch_end(number, ended | {"val_loss": 0.9, "val_accuracy": 0.5})
            reached.append(number + 1)

    assert reached == [6, 7]
    assert monitor.stopped_early == "val_loss has not fallen in the 2 epochs after epoch 5"
