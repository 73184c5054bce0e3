"""A training whose loss becomes NaN or infinite fails with the reason; a skipped step is none."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobyard.shared.errors import Stopping, WorkError
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.networks import building
from jobyard.workers.networks.model_file import ModelFile, initialize
from jobyard.workers.training import checkpoint, fit, stages
from jobyard.workers.training.data import Pictures
from jobyard.workers.training.fit import train
from jobyard.workers.training.loop import Loop
from jobyard.workers.training.monitor import Monitor
from jobyard.workers.training.stages import Stage
from tests.integration.workers.training.resumable import COMPACT, SPEC, Folder, Upserts, run

Spoil = Callable[[Any], None]


def spoiled_after(
    batches: int, spoil: Spoil, spec: TrainSpec, dataset: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> Upserts:
    """A training whose network is spoiled when so many batches are done; what it reported."""
    trained: list[Any] = []

    class Spoiling(Upserts):
        def update(self, done: int, total: int | None, unit: str) -> None:
            if (done, unit) == (batches, "batches"):
                spoil(trained[0])

    def noting(stage: Stage, *more: Any) -> Loop:
        trained.append(stage.model)
        return Loop(stage, *more)

    monkeypatch.setattr(fit, "Loop", noting)
    progress = Spoiling()
    train(spec, dataset, workdir, progress)
    return progress


def put(name: str, value: float) -> Spoil:
    """Sets the first number of the variable whose path ends so."""

    def spoil(model: Any) -> None:
        (variable,) = (one for one in model.variables if one.path.endswith(name))
        array = variable.numpy()
        array.flat[0] = value
        variable.assign(array)

    return spoil


@pytest.mark.parametrize(
    ("spec", "batches", "spoil", "said"),
    [
        # The first batch of an epoch, one in the middle, and after the last: then the validation shows it.
        (SPEC, 0, put("probability/kernel", math.nan), "loss became NaN in epoch 1"),
        (SPEC, 8, put("probability/kernel", math.nan), "loss became NaN in epoch 2"),
        (SPEC, 5, put("probability/bias", math.nan), "val_loss became NaN in epoch 1"),
        # One class's pictures have such a loss, and their sum is too large.
        (SPEC, 6, put("probability/bias", 3e38), "loss became infinite in epoch 2"),
        # A ReLU turns NaN into 0: the losses are finite, and what was learned is lost.
        (SPEC, 5, put("convolution_32/kernel", math.nan), "weights became NaN in epoch 1"),
        # Only a validation reads what a normalisation has seen, and a ReLU follows that, too.
        (
            COMPACT,
            2,
            put("stage_4_normalisation/moving_variance", math.nan),
            "weights became NaN in epoch 1",
        ),
    ],
)
def test_what_is_not_finite_ends_the_training_and_says_where(
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spec: TrainSpec,
    batches: int,
    spoil: Spoil,
    said: str,
) -> None:
    rate = f"{spec.learning_rate:g}"
    with pytest.raises(WorkError, match=rf"^{said}; try a lower learning_rate \(now {rate}\)$"):
        spoiled_after(batches, spoil, spec, dataset, tmp_path, monkeypatch)
    assert not list(tmp_path.glob("*.keras"))


def test_a_rate_that_is_too_high_for_float16_is_explained(dataset: Path, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"learning_rate": 1, "warmup_epochs": 0, "precision": "mixed_float16"})

    with pytest.raises(
        WorkError, match=r"loss became (NaN|infinite) in epoch [123]; try a lower learning_rate"
    ):
        train(spec, dataset, tmp_path, Upserts())


def test_a_rate_of_fine_tuning_that_is_too_high_is_named() -> None:
    spec = TrainSpec.model_validate({"dataset": "drawn", "fine_tune_epochs": 1, "image_size": 32})
    model = building.build(spec.network, 32, 2, "float32", for_training=True)
    few = Pictures(np.zeros((4, 32, 32, 3), np.uint8), np.array([0, 1, 0, 1], np.int32), list("abcd"))
    _, begin = stages.plan(model, spec, few, few, "float32", pytest.fail)
    monitor = Monitor(Upserts())
    Loop(begin(), monitor)

    with pytest.raises(WorkError, match=r"try a lower fine_tune_learning_rate \(now 2e-05\)$"):
        monitor.on_train_batch_end(0, {"loss": math.nan})


def test_a_step_that_the_loss_scale_skips_is_no_failure(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Scaled by 32,768, gradients of such a loss are infinite in float16.
    heavy = {"class_weight": {"red": 1_000.0, "blue": 1_000.0}, "learning_rate": 1e-6, "epochs": 1}
    spec = SPEC.model_copy(update={"precision": "mixed_float16", **heavy})
    scales: list[float] = []

    def note(model: Any) -> None:
        scales.append(float(model.optimizer.dynamic_scale))

    for batches in (0, 5):
        spoiled_after(batches, note, spec, dataset, tmp_path, monkeypatch)
    assert scales[0] == 2**15
    assert scales[1] < 2**15


def test_metrics_that_a_checkpoint_has_as_nan_end_the_training(dataset: Path, tmp_path: Path) -> None:
    kept = Folder(tmp_path / "kept")
    with pytest.raises(Stopping):
        run(SPEC, dataset, tmp_path / "work", Upserts(until=52), kept)
    found = checkpoint.read(kept.path / "newest")
    state = [np.asarray(array) for array in found.state]
    state[-8] = np.float32(np.nan)  # the sum of the running epoch's losses
    checkpoint.Checkpoint(**vars(found) | {"state": state}).write(kept.path / "newest")

    with pytest.raises(WorkError, match=r"^loss became NaN in epoch 1; try a lower learning_rate"):
        run(SPEC, dataset, tmp_path / "work", Upserts(), kept)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_model_with_such_weights_is_no_beginning(tmp_path: Path, value: float) -> None:
    spoiled = building.build("classic", 32, 2, "float32")
    put("convolution_64/kernel", value)(spoiled)
    path = tmp_path / "spoiled.keras"
    spoiled.save(path)
    saved = ModelFile("pets@1", path, hashlib.sha256(path.read_bytes()).hexdigest(), ["a", "b"], 32)

    with pytest.raises(
        WorkError,
        match=r"from the weights of pets@1: layer 'convolution_64' has NaN or infinite ones: should be",
    ):
        initialize(building.build("classic", 32, 2, "float32"), ["a", "b"], saved)
