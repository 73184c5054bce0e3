"""A training that was interrupted and went on is, bit by bit, the training that never was."""

import json
import random
import shutil
import threading
import time
import zipfile
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jobyard.shared.errors import Cancelled, Interrupted, LeaseLost, Stopping, WorkError
from jobyard.shared.kinds.train import TrainSpec
from jobyard.shared.pictures import WHITE, prepared
from jobyard.workers.training import checkpoint_writer, devices
from jobyard.workers.training.checkpoint import Position
from jobyard.workers.training.checkpoint_writer import CheckpointWriter
from tests.integration.workers.training.resumable import (
    COMPACT,
    EVERYTHING,
    NAMES,
    SPEC,
    Folder,
    Outcome,
    Pausing,
    Upserts,
    assert_same,
    run,
)
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Outcome:
    """The training that nothing interrupts, and that keeps no checkpoints."""
    return run(SPEC, dataset, tmp_path_factory.mktemp("whole"), Upserts())


def interrupted(spec: TrainSpec, dataset: Path, tmp_path: Path, gaps: list[int], **options: Any) -> Outcome:
    """Interrupted that many calls of the report after the decoding, attempt for attempt, then let be."""
    metrics: dict[tuple[str, int], float] = {}
    for number, gap in enumerate(gaps):
        progress = Upserts(until=48 + gap, metrics=metrics, error=random.Random(number).choice(STOPS)())
        with pytest.raises(Interrupted):
            run(spec, dataset, tmp_path / "work", progress, Folder(tmp_path / "kept"), **options)
        shutil.rmtree(tmp_path / "work")  # all that is left of an attempt is its checkpoint
    return run(
        spec, dataset, tmp_path / "work", Upserts(metrics=metrics), Folder(tmp_path / "kept"), **options
    )


STOPS: list[type[Interrupted]] = [Stopping, Pausing]


def test_interrupted_at_random_moments_it_ends_bit_by_bit_the_same(
    whole: Outcome, dataset: Path, tmp_path: Path
) -> None:
    assert_same(interrupted(SPEC, dataset, tmp_path, [3, 6, 2, 5, 1, 4]), whole)


@pytest.mark.parametrize("spec", [COMPACT, EVERYTHING], ids=["compact", "everything"])
def test_others_too(dataset: Path, tmp_path: Path, spec: TrainSpec) -> None:
    assert_same(
        interrupted(spec, dataset, tmp_path, [7, 9]), run(spec, dataset, tmp_path / "whole", Upserts())
    )


def test_in_mixed_precision_too(dataset: Path, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"precision": "mixed_bfloat16"})

    assert_same(
        interrupted(spec, dataset, tmp_path, [4, 5, 7]), run(spec, dataset, tmp_path / "whole", Upserts())
    )


def test_the_loss_scale_goes_on(dataset: Path, tmp_path: Path) -> None:
    # Processors have no arithmetic for float16: each picture takes a while.
    short = {"epochs": 1, "batch_size": 2, "steps_per_epoch": 4, "validation_steps": 1}
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
    progress = Upserts()
    resumed = run(SPEC, dataset, tmp_path / "work", progress, kept)

    assert kept.positions.count(position) == 1
    assert_same(resumed, whole)
    assert progress.phases[:2] == [f"resuming after epoch {position.epoch}, batch 0", "decoding"]


def test_each_epochs_end_and_each_interval_within_leave_a_checkpoint(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_writer, "REST", 0)
    patient, hasty = Folder(tmp_path / "patient"), Folder(tmp_path / "hasty")
    offer = CheckpointWriter.offer

    def offer_when_written(writer: CheckpointWriter) -> None:
        """No checkpoint is still being written when the next is due."""
        if writer._writing is not None:
            wait([writer._writing])
        offer(writer)

    monkeypatch.setattr(CheckpointWriter, "offer", offer_when_written)
    run(SPEC, dataset, tmp_path / "work", Upserts(), patient, checkpoint_seconds=3600)
    short = SPEC.model_copy(update={"epochs": 1})
    run(short, dataset, tmp_path / "work", Upserts(), hasty, checkpoint_seconds=0)

    assert patient.positions == [Position(1), Position(2), Position(3)]
    assert set(hasty.positions) >= {Position(0, batch) for batch in (2, 3, 4)}
    assert not list((tmp_path / "work").glob("checkpoint*"))


def test_short_epochs_are_not_slowed_by_long_writing(dataset: Path, tmp_path: Path) -> None:
    trained = threading.Event()

    class Slow(Folder):
        def save(self, path: Path) -> None:
            assert trained.wait(PATIENCE)
            super().save(path)

    class Trained(Upserts):
        def phase(self, name: str) -> None:
            super().phase(name)
            if name == "evaluating":
                trained.set()

    kept = Slow(tmp_path / "kept")
    run(SPEC, dataset, tmp_path / "work", Trained(), kept, checkpoint_seconds=3600)

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
    for progress in (first, second):
        with pytest.raises(Stopping):
            run(SPEC, dataset, tmp_path / "work", progress, Folder(tmp_path / "kept"))

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


def test_a_training_from_before_there_were_backgrounds_goes_on_with_the_colours_that_it_had(
    dataset: Path, tmp_path: Path
) -> None:
    transparent = shutil.copytree(dataset, tmp_path / "transparent")
    for number, path in enumerate(sorted(transparent.rglob("*.png"))):
        with Image.open(path) as image:
            image.putalpha(image.convert("L").point(lambda value, least=number: 255 * (value > least)))
            image.save(path)
    unlaid = SPEC.model_copy(update={"background": None})  # as no spec says today
    kept = Folder(tmp_path / "kept")
    with pytest.raises(Stopping):
        run(unlaid, transparent, tmp_path / "work", Upserts(until=52), kept)
    _forget_background(kept.path / "newest")
    with pytest.raises(Stopping):
        run(SPEC, transparent, tmp_path / "work", Upserts(until=58), kept)
    resumed = run(SPEC, transparent, tmp_path / "work", Upserts(), kept)

    assert_same(resumed, run(unlaid, transparent, tmp_path / "whole", Upserts()))
    assert resumed.training.background is None
    with path.open("rb") as file:  # white is another colour than that which it had
        assert not np.array_equal(prepared(file, 32, None), prepared(file, 32, WHITE))


def _forget_background(path: Path) -> None:
    """Make a checkpoint one of the old form."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    header = json.loads(parts["header.json"])
    del header["identity"]["background"]
    with zipfile.ZipFile(path, "w") as file:
        for name, content in (parts | {"header.json": json.dumps(header).encode()}).items():
            file.writestr(name, content)


def test_the_precision_that_auto_led_to_stays(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Folder(tmp_path / "kept")
    monkeypatch.setattr(devices, "_fastest", lambda *_: "mixed_bfloat16")
    with pytest.raises(Stopping):
        run(SPEC, dataset, tmp_path / "work", Upserts(until=52), kept)
    monkeypatch.setattr(devices, "_fastest", lambda *_: "float32")

    resumed = run(SPEC, dataset, tmp_path / "work", Upserts(), kept)
    assert resumed.training.environment["precision"] == "mixed_bfloat16"


def test_time_counts_over_all_attempts(dataset: Path, tmp_path: Path) -> None:
    class Slow(Upserts):
        def update(self, done: int, total: int | None, unit: str) -> None:
            time.sleep(1 if unit == "batches" and done else 0)
            super().update(done, total, unit)

    kept = Folder(tmp_path / "kept")
    with pytest.raises(Stopping):
        run(SPEC, dataset, tmp_path / "work", Slow(until=52), kept)
    resumed = run(SPEC, dataset, tmp_path / "work", Upserts(), kept)

    assert resumed.training.timings["train_seconds"] > 3
