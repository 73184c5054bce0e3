"""A pretrained network: its head is trained on cached features, and then, if wanted, all of it."""

import hashlib
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from jobyard.shared.errors import Cancelled, Stopping, WorkError
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.datasets import array_cache
from jobyard.workers.networks import backbones
from jobyard.workers.networks.backbones import Backbone
from jobyard.workers.networks.model_file import ModelFile
from jobyard.workers.training import features
from jobyard.workers.training.checkpoint import Position
from jobyard.workers.training.fit import train
from tests.factories import draw_colours
from tests.integration.workers.training.resumable import Folder, Outcome, Upserts, assert_same, run
from tests.reports import Recorder

# 4 steps of the head in each of 3 epochs, then of all of it in each of 2; 82 features.
SPEC = TrainSpec.model_validate(
    {
        "dataset": "drawn",
        "epochs": 3,
        "fine_tune_epochs": 2,
        "steps_per_epoch": 4,
        "batch_size": 8,
        "image_size": 32,
        "views": 2,
        "learning_rate": 0.02,
        "fine_tune_learning_rate": 0.0001,
    }
)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    found = backbones.find("efficientnet-lite0", tmp_path_factory.mktemp("backbones"))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, dataset: Path, backbone: Backbone) -> Outcome:
    """The training that nothing interrupts."""
    return run(SPEC, dataset, tmp_path_factory.mktemp("whole"), Upserts(), backbone=backbone)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks of several batches, as of more and larger pictures."""
    monkeypatch.setattr(features, "CHUNK", 16)
    monkeypatch.setattr(features, "BATCH_PIXELS", 6 * 32 * 32)


class Cache:
    """The machine's cache, and attempts that share it."""

    def __init__(self, folder: Path, backbone: Backbone) -> None:
        self.folder = folder / "pixels"
        self._work = folder / "work"
        self._kept = Folder(folder / "kept")
        self._backbone = backbone

    def run(self, dataset: Path, progress: Upserts, spec: TrainSpec = SPEC) -> Outcome:
        try:
            return run(
                spec, dataset, self._work, progress, self._kept, backbone=self._backbone, cache=self.folder
            )
        finally:
            # All that is left of an attempt is its checkpoint, and what the machine keeps.
            shutil.rmtree(self._work)

    def forget(self) -> None:
        """The next attempt is that of another job."""
        shutil.rmtree(self._kept.path)

    @property
    def positions(self) -> list[Position]:
        return self._kept.positions

    @property
    def features(self) -> list[Path]:
        return sorted(self.folder.glob("*-features.npy"))


@pytest.fixture
def cache(tmp_path: Path, backbone: Backbone) -> Cache:
    return Cache(tmp_path, backbone)


class Interrupting(Upserts):
    """Interrupts at the update number `after` of those in the phase that begins so."""

    def __init__(self, phase: str, after: int, metrics: dict[tuple[str, int], float]) -> None:
        super().__init__(metrics=metrics)
        self._phase = phase
        self._left = after

    def update(self, done: int, total: int | None, unit: str) -> None:
        if self.phases[-1].startswith(self._phase):
            self._left -= 1
            if self._left < 0:
                raise Stopping


def test_both_stages_have_one_history_and_the_best_epoch_of_either_is_kept(whole: Outcome) -> None:
    training = whole.training

    assert [step for name, step in whole.metrics if name == "val_loss"] == [1, 2, 3, 4, 5]
    assert training.epochs_run == 5
    assert training.evaluation["loss"] == pytest.approx(training.metrics["best"]["val_loss"], rel=1e-3)
    rates = [whole.metrics["learning_rate", epoch] for epoch in range(1, 6)]
    assert rates[0] > rates[2] > 1e-4 > rates[3] > rates[4]
    assert training.backbone == {
        "name": "efficientnet-lite0-57934424.pth",
        "sha256": backbones.PACKAGES["efficientnet-lite0"].sha256,
    }
    assert min(training.timings.values()) > 0
    assert "features_seconds" in training.timings
    assert "pictures_per_second" not in training.timings


def test_interrupted_in_each_stage_it_ends_bit_by_bit_the_same(
    whole: Outcome, dataset: Path, cache: Cache
) -> None:
    metrics: dict[tuple[str, int], float] = {}
    for phase, after in [("training epoch 2", 3), ("fine-tuning epoch 5", 1)]:
        with pytest.raises(Stopping):
            cache.run(dataset, Interrupting(phase, after, metrics))

    progress = Upserts(metrics=metrics)
    assert_same(cache.run(dataset, progress), whole)
    assert progress.phases[0] == "resuming after epoch 4, batch 2"
    assert "computing features" not in progress.phases
    assert {(one.stage, one.before) for one in cache.positions} == {(0, 0), (1, 3)}


def test_what_is_computed_stays_whatever_becomes_of_the_training(dataset: Path, cache: Cache) -> None:
    """Chunks of 16 pictures in batches of 6: three of each view of 36, and one of the others."""
    with pytest.raises(Stopping):
        cache.run(dataset, Interrupting("computing", 7, {}))
    first = {path: path.stat().st_mtime_ns for path in cache.features}
    progress = Counting()
    cache.run(dataset, progress, SPEC.model_copy(update={"fine_tune_epochs": 0}))
    again = Counting()
    cache.forget()
    cache.run(dataset, again, SPEC.model_copy(update={"fine_tune_epochs": 0, "learning_rate": 0.5}))

    assert len(first) == 2
    assert len(cache.features) == 7
    assert first.keys() <= set(cache.features)
    assert progress.counted[0] == 0
    assert progress.counted[1:3] == [16, 32]
    assert progress.counted[-1] == again.counted[-1] == 82
    assert again.counted == [0, 16, 32, 36, 52, 68, 72, 82]


class Counting(Upserts):
    """Notes how many features there are."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: list[int] = []

    def update(self, done: int, total: int | None, unit: str) -> None:
        if (self.phases[-1], unit) == ("computing features", "pictures"):
            assert total == 82
            self.counted.append(done)


def test_features_are_bounded_together_with_pixels(
    dataset: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_cache, "MAX_BYTES", 300_000)
    trained = cache.run(dataset, Upserts(), SPEC.model_copy(update={"fine_tune_epochs": 0}))

    held = sum(path.stat().st_size for path in cache.folder.iterdir())
    assert 0 < held <= 300_000 + 7 * 128
    assert trained.training.metrics["best"]["val_accuracy"] > 0.5


def test_a_cancel_takes_effect_within_a_batch_of_features(
    dataset: Path, tmp_path: Path, backbone: Backbone
) -> None:
    progress = Recorder(stop_at_progress=("pictures", 6))

    with pytest.raises(Cancelled):
        train(SPEC, dataset, tmp_path, progress, backbone=backbone)


@pytest.fixture
def earlier(whole: Outcome) -> ModelFile:
    """All of it was trained in the last epoch, so that its backbone is another one."""
    training = whole.training
    path = training.last_path or training.model_path
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return ModelFile("pets@1", path, sha256, training.classes, training.image_size)


def test_another_training_begins_with_a_models_backbone_whatever_the_size_and_classes(
    earlier: ModelFile, tmp_path: Path
) -> None:
    draw_colours(tmp_path / "data", ["red", "blue", "green"], train=10)
    spec = SPEC.model_copy(update={"fine_tune_epochs": 0, "image_size": 48, "init_from": "pets@1"})
    training = train(spec, tmp_path / "data", tmp_path, Recorder(), init_from=earlier)

    assert (training.head, training.backbone) == ("new", None)
    before, after = (
        keras.models.load_model(path, compile=False) for path in (earlier.path, training.model_path)
    )
    assert (after.input_shape, after.output_shape) == ((None, 48, 48, 3), (None, 3))
    for mine, theirs in zip(after.weights[:-2], before.weights[:-2], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_same_classes_keep_the_head(
    whole: Outcome, earlier: ModelFile, dataset: Path, tmp_path: Path
) -> None:
    spec = SPEC.model_copy(
        update={"epochs": 1, "fine_tune_epochs": 0, "learning_rate": 1e-12, "init_from": "pets@1"}
    )
    training = train(spec, dataset, tmp_path, Recorder(), init_from=earlier)

    assert training.head == "kept"
    final = whole.training.metrics["final"]["val_loss"]
    assert training.evaluation["loss"] == pytest.approx(final, rel=1e-3)


def test_a_checkpoint_of_another_backbone_is_refused(dataset: Path, cache: Cache, backbone: Backbone) -> None:
    with pytest.raises(Stopping):
        cache.run(dataset, Interrupting("training epoch 2", 1, {}))
    cache._backbone = Backbone(backbone.path, "own.weights.h5", "0" * 64)

    with pytest.raises(WorkError, match="backbone changed in between"):
        cache.run(dataset, Upserts())


def test_a_checkpoint_of_weights_that_were_converted_otherwise_is_refused(
    dataset: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stopping):
        cache.run(dataset, Interrupting("training epoch 2", 1, {}))
    monkeypatch.setattr(backbones, "CONVERSION", backbones.CONVERSION + 1)

    with pytest.raises(WorkError, match="backbone changed in between"):
        cache.run(dataset, Upserts())
