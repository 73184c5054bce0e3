"""A training that was interrupted and went on is, bit by bit, the training that never was."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from jobyard.shared.errors import Cancelled, Interrupted, LeaseLost, Stopping, WorkError
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.training import checkpoint, checkpoint_writer, devices, fit
from jobyard.workers.training.checkpoint import Position
from jobyard.workers.training.fit import Training, train
from jobyard.workers.training.loop import Loop

DrawDataset = Callable[..., Path]
NAMES = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")

# 5 batches and 2 of validation in each of 3 epochs; all that a step may depend on. The network is the one
# that is quicker to build, where it makes no difference; COMPACT has more state.
SPEC = TrainSpec.model_validate(
    {
        "dataset": "drawn",
        "network": "classic",
        "epochs": 3,
        "batch_size": 8,
        "image_size": 32,
        "patience": 3,
        "schedule": "cosine",
        "warmup_epochs": 0.7,
        "weight_decay": 0.01,
        "label_smoothing": 0.1,
    }
)
COMPACT = TrainSpec.model_validate(
    {"dataset": "drawn", "network": "compact", "epochs": 3, "batch_size": 8, "image_size": 32, "patience": 3}
)
# How often a training is killed. Each costs a new process that imports TensorFlow.
KILLS = int(os.environ.get("KILLS", "3"))


class Pausing(Interrupted):
    """An interruption that this room knows nothing of."""


@dataclass
class Folder:
    """Checkpoints in a folder; it keeps the newest only, and notes each one's position."""

    path: Path
    error: Exception | None = None
    positions: list[Position] = field(default_factory=list)

    def load(self) -> Path | None:
        newest = self.path / "newest"
        return newest if newest.exists() else None

    def save(self, path: Path) -> None:
        if self.error is not None:
            raise self.error
        self.path.mkdir(exist_ok=True)
        self.positions.append(checkpoint.read(path).position)
        shutil.copy(path, self.path / "copy")
        (self.path / "copy").replace(self.path / "newest")


@dataclass
class Upserts:
    """A Report like the real one: metrics by name and step; it raises at the call number `until`."""

    until: int | None = None
    error: Exception = field(default_factory=Stopping)
    calls: int = 0
    phases: list[str] = field(default_factory=list)
    metrics: dict[tuple[str, int], float] = field(default_factory=dict)

    def phase(self, name: str) -> None:
        self.phases.append(name)
        self.check()

    def progress(self, done: int, total: int | None, unit: str) -> None:
        self.check()

    def metric(self, name: str, step: int, value: float, epoch: int | None = None) -> None:
        assert self.metrics.setdefault((name, step), value) == value
        assert epoch == step

    def check(self) -> None:
        self.calls += 1
        if self.calls == self.until:
            raise self.error


@dataclass(frozen=True)
class Outcome:
    """What must not depend on how often a training was interrupted."""

    training: Training
    metrics: dict[tuple[str, int], float]
    weights: list[Any]
    calls: int


def run(
    spec: TrainSpec, dataset: Path, workdir: Path, report: Upserts, *args: Any, **options: Any
) -> Outcome:
    """A whole training, with the weights that it ended with, and those that it kept."""
    trained: list[Any] = []

    def noting(model: Any, *more: Any) -> Loop:
        trained.append(model)
        return Loop(model, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "Loop", noting)
        workdir.mkdir(exist_ok=True)
        training = train(spec, dataset, workdir, report, *args, **options)
    (model,) = trained
    ended = [variable.numpy() for variable in [*model.variables, *model.optimizer.variables]]
    kept = keras.models.load_model(training.model_path, compile=False).get_weights()
    return Outcome(training, dict(report.metrics), ended + kept, report.calls)


def assert_same(one: Outcome, other: Outcome) -> None:
    assert one.metrics == other.metrics
    assert one.training.metrics == other.training.metrics
    assert one.training.evaluation == other.training.evaluation
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, draw_dataset: DrawDataset) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("data"), ["red", "blue"], train=18, validation=5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Outcome:
    """The training that nothing interrupts, and that keeps no checkpoints."""
    return run(SPEC, dataset, tmp_path_factory.mktemp("whole"), Upserts())


def interrupted(spec: TrainSpec, dataset: Path, tmp_path: Path, gaps: list[int], **options: Any) -> Outcome:
    """Interrupted that many calls of the report after the decoding, attempt for attempt, then let be."""
    metrics: dict[tuple[str, int], float] = {}
    for number, gap in enumerate(gaps):
        report = Upserts(until=48 + gap, metrics=metrics, error=random.Random(number).choice(STOPS)())
        with pytest.raises(Interrupted):
            run(spec, dataset, tmp_path / "work", report, Folder(tmp_path / "kept"), **options)
        shutil.rmtree(tmp_path / "work")  # all that is left of an attempt is its checkpoint
    return run(
        spec, dataset, tmp_path / "work", Upserts(metrics=metrics), Folder(tmp_path / "kept"), **options
    )


STOPS: list[type[Interrupted]] = [Stopping, Pausing]


def test_interrupted_at_random_moments_it_ends_bit_by_bit_the_same(
    whole: Outcome, dataset: Path, tmp_path: Path
) -> None:
    assert_same(interrupted(SPEC, dataset, tmp_path, [3, 6, 2, 5, 1, 4]), whole)


def test_compact_too(dataset: Path, tmp_path: Path) -> None:
    assert_same(
        interrupted(COMPACT, dataset, tmp_path, [7, 9]), run(COMPACT, dataset, tmp_path / "whole", Upserts())
    )


def test_in_mixed_precision_too(dataset: Path, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"precision": "mixed_bfloat16"})

    assert_same(
        interrupted(spec, dataset, tmp_path, [4, 5, 7]), run(spec, dataset, tmp_path / "whole", Upserts())
    )


def test_the_loss_scale_goes_on(dataset: Path, tmp_path: Path) -> None:
    short = {"epochs": 1, "steps_per_epoch": 4, "validation_steps": 1}
    spec = SPEC.model_copy(update={"precision": "mixed_float16", **short})

    assert_same(
        interrupted(spec, dataset, tmp_path, [4, 3]), run(spec, dataset, tmp_path / "whole", Upserts())
    )


def test_with_steps_that_do_not_fit_the_data_the_pictures_go_on_in_their_order(
    dataset: Path, tmp_path: Path
) -> None:
    spec = SPEC.model_copy(update={"steps_per_epoch": 7, "validation_steps": 3})

    assert_same(
        interrupted(spec, dataset, tmp_path, [6, 9]), run(spec, dataset, tmp_path / "whole", Upserts())
    )


@pytest.mark.parametrize(
    ("phase", "position"),
    [("training epoch 2/3", Position(1)), ("evaluating", Position(3)), ("saving", Position(3))],
)
def test_between_two_phases_it_goes_on_with_the_next(
    whole: Outcome, dataset: Path, tmp_path: Path, phase: str, position: Position
) -> None:
    class AtPhase(Upserts):
        def phase(self, name: str) -> None:
            super().phase(name)
            if name == phase:
                raise Stopping

    kept = Folder(tmp_path / "kept")
    with pytest.raises(Stopping):
        run(SPEC, dataset, tmp_path / "work", AtPhase(), kept)
    report = Upserts()
    resumed = run(SPEC, dataset, tmp_path / "work", report, kept)

    assert kept.positions.count(position) == 1
    assert_same(resumed, whole)
    assert report.phases[:2] == [f"resuming after epoch {position.epoch}, batch 0", "decoding"]


def test_each_epochs_end_and_each_interval_within_leave_a_checkpoint(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_writer, "REST", 0)
    patient, hasty = Folder(tmp_path / "patient"), Folder(tmp_path / "hasty")

    class Slow(Upserts):  # so that no checkpoint is still being written when the next is due
        def progress(self, done: int, total: int | None, unit: str) -> None:
            time.sleep(0.25 if unit == "batches" else 0)

    run(SPEC, dataset, tmp_path / "work", Slow(), patient)
    run(
        SPEC.model_copy(update={"epochs": 1}), dataset, tmp_path / "work", Slow(), hasty, checkpoint_seconds=0
    )

    assert patient.positions == [Position(1), Position(2), Position(3)]
    assert set(hasty.positions) >= {Position(0, batch) for batch in (2, 3, 4)}
    assert not list((tmp_path / "work").glob("checkpoint*"))


def test_short_epochs_are_not_slowed_by_long_writing(dataset: Path, tmp_path: Path) -> None:
    class Slow(Folder):
        def save(self, path: Path) -> None:
            time.sleep(2)
            super().save(path)

    kept = Slow(tmp_path / "kept")
    run(SPEC, dataset, tmp_path / "work", Upserts(), kept)

    assert kept.positions == [Position(1)]


def test_checkpoints_change_nothing(whole: Outcome, dataset: Path, tmp_path: Path) -> None:
    kept = Folder(tmp_path / "kept")

    assert_same(run(SPEC, dataset, tmp_path / "work", Upserts(), kept, checkpoint_seconds=0), whole)


@pytest.mark.parametrize("error", [Cancelled(), LeaseLost(), WorkError("broken")])
def test_no_checkpoint_is_made_of_what_does_not_go_on(
    dataset: Path, tmp_path: Path, error: Exception
) -> None:
    kept = Folder(tmp_path / "kept")

    with pytest.raises(type(error)):
        run(SPEC, dataset, tmp_path / "work", Upserts(until=51, error=error), kept)
    assert kept.positions == []


def test_the_history_is_told_again_before_anything_else(dataset: Path, tmp_path: Path) -> None:
    """So that points which a lost worker had not written yet are not missing."""
    first, second = Upserts(until=60), Upserts(until=2)
    for report in (first, second):
        with pytest.raises(Stopping):
            run(SPEC, dataset, tmp_path / "work", report, Folder(tmp_path / "kept"))

    assert second.metrics == first.metrics
    assert set(second.metrics) == {(name, 1) for name in NAMES}


def test_a_checkpoint_that_can_not_be_saved_costs_only_itself(
    whole: Outcome, dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Folder(tmp_path / "kept", error=OSError("the storage is away"))

    assert_same(run(SPEC, dataset, tmp_path / "work", Upserts(), kept), whole)
    assert "OSError: the storage is away" in caplog.text


def test_a_lease_lost_while_saving_ends_the_training(dataset: Path, tmp_path: Path) -> None:
    kept = Folder(tmp_path / "kept", error=LeaseLost())

    with pytest.raises(LeaseLost):
        run(SPEC, dataset, tmp_path / "work", Upserts(), kept)


def test_an_interruption_while_a_checkpoint_is_being_saved_loses_nothing(
    whole: Outcome, dataset: Path, tmp_path: Path
) -> None:
    class Slow(Folder):
        def save(self, path: Path) -> None:
            time.sleep(1)
            super().save(path)

    kept = Slow(tmp_path / "kept")
    with pytest.raises(Stopping):
        run(SPEC, dataset, tmp_path / "work", Upserts(until=52), kept, checkpoint_seconds=0)

    assert kept.positions[-1] == Position(0, 3)
    assert_same(run(SPEC, dataset, tmp_path / "work", Upserts(), kept), whole)


def test_a_damaged_checkpoint_means_a_new_beginning(whole: Outcome, dataset: Path, tmp_path: Path) -> None:
    kept = Folder(tmp_path / "kept")
    kept.path.mkdir()
    (kept.path / "newest").write_bytes(b"PK torn")

    assert_same(run(SPEC, dataset, tmp_path / "work", Upserts(), kept), whole)


def test_another_data_set_is_refused(dataset: Path, tmp_path: Path) -> None:
    kept = Folder(tmp_path / "kept")
    with pytest.raises(Stopping):
        run(SPEC, dataset, tmp_path / "work", Upserts(until=52), kept, dataset_version="old")

    with pytest.raises(WorkError, match=r"data set changed in between \(was old, is new\): retry the job"):
        run(SPEC, dataset, tmp_path / "work", Upserts(), kept, dataset_version="new")


def test_the_precision_that_auto_led_to_stays(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Folder(tmp_path / "kept")
    monkeypatch.setattr(devices, "_fastest_here", lambda *_: "mixed_bfloat16")
    with pytest.raises(Stopping):
        run(SPEC, dataset, tmp_path / "work", Upserts(until=52), kept)
    monkeypatch.setattr(devices, "_fastest_here", lambda *_: "float32")

    resumed = run(SPEC, dataset, tmp_path / "work", Upserts(), kept)
    assert resumed.training.environment["precision"] == "mixed_bfloat16"


def test_time_counts_over_all_attempts(dataset: Path, tmp_path: Path) -> None:
    class Slow(Upserts):
        def progress(self, done: int, total: int | None, unit: str) -> None:
            time.sleep(1 if unit == "batches" and done else 0)
            super().progress(done, total, unit)

    kept = Folder(tmp_path / "kept")
    with pytest.raises(Stopping):
        run(SPEC, dataset, tmp_path / "work", Slow(until=52), kept)
    resumed = run(SPEC, dataset, tmp_path / "work", Upserts(), kept)

    assert resumed.training.timings["train_seconds"] > 3


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_killed_again_and_again_it_ends_bit_by_bit_the_same(
    dataset: Path, tmp_path: Path, precision: str
) -> None:
    spec = COMPACT.model_copy(update={"epochs": 2 * KILLS, "patience": 2 * KILLS, "precision": precision})
    kept = Folder(tmp_path / "kept")
    chance = random.Random()
    for number in range(KILLS):
        code = killed(
            spec, dataset, tmp_path / str(number), kept, chance.randint(1, 6), chance.uniform(0, 0.3)
        )
        assert code == -signal.SIGKILL

    report = Upserts()
    resumed = run(spec, dataset, tmp_path / "resumed", report, kept)
    assert report.phases[0].startswith("resuming after epoch")
    assert_same(resumed, run(spec, dataset, tmp_path / "whole", Upserts()))


def killed(
    spec: TrainSpec, dataset: Path, workdir: Path, kept: Folder, batches: int, seconds: float
) -> int | None:
    """A training in a process of its own, killed `seconds` after so many batches; its exit status."""
    workdir.mkdir()
    command = [sys.executable, __file__, spec.model_dump_json(), dataset, workdir, kept.path]
    child = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )
    with child:
        assert child.stdout is not None
        for _ in range(batches):
            child.stdout.readline()
        time.sleep(seconds)
        child.kill()
    return child.returncode


class Telling(Upserts):
    """Prints each batch, slowly enough to be killed within any."""

    def progress(self, done: int, total: int | None, unit: str) -> None:
        if unit == "batches":
            sys.stdout.write(f"{done}\n")
            sys.stdout.flush()
            time.sleep(0.05)


if __name__ == "__main__":
    _spec, *_paths = sys.argv[1:]
    _dataset, _workdir, _kept = map(Path, _paths)
    train(
        TrainSpec.model_validate_json(_spec),
        _dataset,
        _workdir,
        Telling(),
        Folder(_kept),
        checkpoint_seconds=0,
    )
