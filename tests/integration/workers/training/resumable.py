"""Trainings of which nothing may depend on how often they were interrupted."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from jobyard.shared.errors import Interrupted, Stopping
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.training import checkpoint, fit, loop
from jobyard.workers.training.checkpoint import Position
from jobyard.workers.training.fit import Training, train
from jobyard.workers.training.loop import Loop
from jobyard.workers.training.stages import Stage

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


# All that is off unless it is asked for.
EVERYTHING = TrainSpec.model_validate(
    SPEC.model_dump()
    | {
        "augment": {"rotation": 25, "brightness": 0.2, "contrast": 0.3},
        "class_weight": {"red": 2.5, "blue": 0.5},
        "monitor": "val_accuracy",
    }
)


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

    def update(self, done: int, total: int | None, unit: str) -> None:
        self.check()

    def metric(self, name: str, step: int, value: float, epoch: int | None = None) -> None:
        assert self.metrics.setdefault((name, step), value) == value
        assert epoch == step

    def check(self, *, waiting: bool = False) -> None:
        self.calls += 1
        if self.calls == self.until:
            raise self.error


@dataclass
class Telling(Upserts):
    """Prints each batch with its phase, slowly enough to be killed within any."""

    seconds: float = 0.05

    def update(self, done: int, total: int | None, unit: str) -> None:
        if self.phases[-1].startswith(("computing", "training", "fine-tuning")):
            sys.stdout.write(f"{self.phases[-1]} {done}\n")
            sys.stdout.flush()
            time.sleep(self.seconds)


@contextmanager
def in_a_process(script: str, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """A Python script that imports what this process does; it is killed at the end, if it has not ended."""
    child = subprocess.Popen(
        [sys.executable, script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )
    with child:
        try:
            yield child
        finally:
            child.kill()


@dataclass(frozen=True)
class Outcome:
    """What must not depend on how often a training was interrupted."""

    training: Training
    metrics: dict[tuple[str, int], float]
    weights: list[Any]
    calls: int


def run(
    spec: TrainSpec, dataset: Path, workdir: Path, progress: Upserts, *args: Any, **options: Any
) -> Outcome:
    """A whole training, with the weights that it ended with, and those that it kept."""
    trained: list[Any] = []

    class Noting(Loop):
        def __init__(self, stage: Stage, *more: Any) -> None:
            trained.append(stage.model)
            super().__init__(stage, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "Loop", Noting)
        patch.setattr(fit, "Loop", Noting)
        workdir.mkdir(exist_ok=True)
        training = train(spec, dataset, workdir, progress, *args, **options)
    model = trained[-1]
    ended = [variable.numpy() for variable in [*model.variables, *model.optimizer.variables]]
    kept = keras.models.load_model(training.model_path, compile=False).get_weights()
    return Outcome(training, dict(progress.metrics), ended + kept, progress.calls)


def assert_same(one: Outcome, other: Outcome) -> None:
    assert one.metrics == other.metrics
    assert one.training.metrics == other.training.metrics
    assert one.training.evaluation == other.training.evaluation
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
