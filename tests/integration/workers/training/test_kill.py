"""A training whose process was killed and that went on is, bit by bit, the training that never was."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.training.fit import train
from tests.integration.workers.training.resumable import COMPACT, Folder, Upserts, assert_same, run

# How often a training is killed. Each costs a new process that imports TensorFlow.
KILLS = int(os.environ.get("KILLS", "3"))


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

    progress = Upserts()
    resumed = run(spec, dataset, tmp_path / "resumed", progress, kept)
    assert progress.phases[0].startswith("resuming after epoch")
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

    def update(self, done: int, total: int | None, unit: str) -> None:
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
