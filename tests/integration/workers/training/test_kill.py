"""A training whose process was killed and that went on is, bit by bit, the training that never was."""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.training import features
from jobyard.workers.training.fit import train
from tests.integration.workers.training.resumable import (
    COMPACT,
    Folder,
    Telling,
    Upserts,
    assert_same,
    in_a_process,
    run,
)

# How often a training is killed: once more after it was resumed, at least. Each costs a process that imports
# TensorFlow.
KILLS = int(os.environ.get("KILLS", "2"))


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


# What is computed before the head is trained is not in a checkpoint, but in the cache.
PRETRAINED = TrainSpec.model_validate(
    {
        "dataset": "drawn",
        "epochs": 2,
        "fine_tune_epochs": 2,
        "steps_per_epoch": 3,
        "batch_size": 8,
        "image_size": 32,
        "views": 2,
        "learning_rate": 0.02,
    }
)


def test_a_pretrained_network_is_killed_in_each_of_its_phases(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_chunks(monkeypatch.setattr)
    kept, chance = Folder(tmp_path / "kept"), random.Random()
    for phase in ("computing", "training", "fine-tuning"):
        seconds = chance.uniform(0, 0.3)
        code = killed(PRETRAINED, dataset, tmp_path / phase, kept, chance.randint(1, 6), seconds, phase)
        assert code == -signal.SIGKILL

    progress = Upserts()
    resumed = run(
        PRETRAINED, dataset, tmp_path / "resumed", progress, kept, cache=tmp_path / "kept" / "cache"
    )
    assert progress.phases[0].startswith("resuming after epoch")
    assert_same(resumed, run(PRETRAINED, dataset, tmp_path / "whole", Upserts()))


def in_small_chunks(patch: Callable[[object, str, int], None]) -> None:
    """Chunks of 16 pictures, each of three batches, as of more and larger pictures."""
    patch(features, "CHUNK", 16)
    patch(features, "BATCH_PIXELS", 6 * 32 * 32)


def killed(
    spec: TrainSpec,
    dataset: Path,
    workdir: Path,
    kept: Folder,
    batches: int,
    seconds: float,
    phase: str = "training",
) -> int | None:
    """A training in a process of its own, killed so long after some batches of a phase; its exit status."""
    workdir.mkdir()
    with in_a_process(__file__, spec.model_dump_json(), dataset, workdir, kept.path) as child:
        assert child.stdout is not None
        left = batches
        for line in child.stdout:
            left -= line.startswith(phase)
            if not left:
                break
        time.sleep(seconds)
    return child.returncode


if __name__ == "__main__":
    _spec, *_paths = sys.argv[1:]
    _dataset, _workdir, _kept = map(Path, _paths)
    in_small_chunks(setattr)
    train(
        TrainSpec.model_validate_json(_spec),
        _dataset,
        _workdir,
        Telling(),
        Folder(_kept),
        checkpoint_seconds=0,
        cache=_kept / "cache",
    )
