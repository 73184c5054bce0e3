from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.training import checkpoint
from jobyard.workers.training.checkpoint import Abandoned, Checkpoint, Damaged, Position, Spent

SPEC = TrainSpec.model_validate({"dataset": "drawn"})
EPOCH = {
    "epoch": 1,
    "loss": 0.1 + 0.2,
    "accuracy": 1 / 3,
    "val_loss": 1e-300,
    "val_accuracy": 1.0,
    "learning_rate": 1e-3,
}


def checkpoint_of(**changes: Any) -> Checkpoint:
    random = np.random.default_rng(0)
    values: dict[str, Any] = {
        "identity": checkpoint.identity_of(SPEC, "version 1"),
        "precision": "mixed_bfloat16",
        "position": Position(1, 2, 3),
        "history": [EPOCH],
        "stopped_early": None,
        "spent": Spent(1.5, 2.25),
        "state": [
            random.random((3, 4, 5)).astype(np.float32),
            np.float32(np.nan),
            np.int64(7),
            np.uint32([1, 2]),
        ],
        "best_weights": [random.random((5, 2)).astype(np.float32).T, np.zeros((0, 3), np.float32)],
        **changes,
    }
    return Checkpoint(**values)


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    for name in ("identity", "precision", "position", "history", "stopped_early", "spent"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("state", "best_weights"):
        for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_array_equal(a, b)


class Kept:
    """Checkpoints with one file that an earlier attempt left."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> Path | None:
        return self._path

    def save(self, path: Path) -> None:
        raise NotImplementedError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    checkpoint_of().write(tmp_path / "checkpoint.npz")
    return tmp_path / "checkpoint.npz"


def test_what_is_read_is_what_was_written(file: Path) -> None:
    assert_same(checkpoint.read(file), checkpoint_of())


def test_there_are_no_best_weights_before_an_epoch_has_ended(tmp_path: Path) -> None:
    checkpoint_of(best_weights=[]).write(tmp_path / "c.npz")

    assert checkpoint.read(tmp_path / "c.npz").best_weights == []


def test_objects_are_neither_written_nor_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        checkpoint_of(state=[np.array([print], dtype=object)]).write(tmp_path / "c.npz")

    def pickled(file: Any, name: str, array: Any) -> None:
        with file.open(name, "w") as part:
            np.lib.format.write_array(part, np.array([print], dtype=object), allow_pickle=True)

    monkeypatch.setattr(checkpoint, "_write_array", pickled)
    checkpoint_of().write(tmp_path / "c.npz")
    with pytest.raises(Damaged, match="allow_pickle=False"):
        checkpoint.read(tmp_path / "c.npz")


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_torn_file_is_told_from_a_whole_one(file: Path, share: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])

    with pytest.raises(Damaged):
        checkpoint.read(file)


def test_no_changed_byte_changes_what_is_read(file: Path) -> None:
    content = file.read_bytes()
    random = np.random.default_rng(0)
    damaged = 0
    for place in random.integers(0, len(content), 400):
        file.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            assert_same(checkpoint.read(file), checkpoint_of())  # a time of day in the zip, say
        except Damaged:
            damaged += 1
    assert damaged > 200


def test_writing_stops_when_nobody_wants_it(tmp_path: Path) -> None:
    with pytest.raises(Abandoned):
        checkpoint_of().write(tmp_path / "c.npz", unwanted=lambda: True)


def test_a_fitting_checkpoint_is_found(file: Path) -> None:
    found = checkpoint.find(Kept(file), checkpoint.identity_of(SPEC, "version 1"))

    assert found is not None
    assert_same(found, checkpoint_of())


def test_without_a_checkpoint_a_training_begins() -> None:
    assert checkpoint.find(None, {}) is None
    assert checkpoint.find(Kept(None), {}) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "c.npz").write_bytes(content)

    assert checkpoint.find(Kept(tmp_path / "c.npz"), {}) is None
    assert "training starts over, its checkpoint is damaged" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data set": "version 2"}, r"data set changed in between \(was version 1, is version 2\)"),
        ({"training code": 0}, r"training code changed in between \(was \d, is 0\)"),
        ({"Keras": "4.0"}, r"Keras changed in between \(was 3\..*, is 4\.0\)"),
        ({"learning_rate": 0.5}, r"learning_rate changed in between \(was 0\.\d+, is 0\.5\)"),
        ({"new": 1}, r"new changed in between \(was None, is 1\)"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused_with_what_changed(
    file: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(WorkError, match=message + ": retry the job to train from the start"):
        checkpoint.find(Kept(file), checkpoint.identity_of(SPEC, "version 1") | changes)


def test_names_and_deadlines_may_change() -> None:
    other = SPEC.model_copy(update={"dataset": "drawn@3", "model_name": "m", "deadline_seconds": 9})

    assert checkpoint.identity_of(SPEC, "1") == checkpoint.identity_of(other, "1")


def test_a_file_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    checkpoint_of().write(tmp_path / "c.npz")
    monkeypatch.undo()

    with pytest.raises(WorkError, match="has format 99, this worker reads 2: retry the job"):
        checkpoint.find(Kept(tmp_path / "c.npz"), {})


# What specs had when the fields that now are "off" by default did not exist.
SINCE = ("class_weight", "monitor")
SINCE_OF_AUGMENT = ("rotation", "brightness", "contrast")


def test_a_checkpoint_from_before_a_field_existed_is_continued_where_the_field_is_off(tmp_path: Path) -> None:
    now = checkpoint.identity_of(SPEC, "version 1")
    before = {name: value for name, value in now.items() if name not in SINCE}
    before["augment"] = {
        name: value for name, value in now["augment"].items() if name not in SINCE_OF_AUGMENT
    }
    checkpoint_of(identity=before).write(tmp_path / "c.npz")
    assert checkpoint.find(Kept(tmp_path / "c.npz"), now) is not None

    changed = SPEC.model_copy(update={"monitor": "val_accuracy"})
    with pytest.raises(WorkError, match=r"monitor changed in between \(was val_loss, is val_accuracy\)"):
        checkpoint.find(Kept(tmp_path / "c.npz"), checkpoint.identity_of(changed, "version 1"))
    turned = SPEC.model_copy(update={"augment": SPEC.augment.model_copy(update={"rotation": 5})})
    with pytest.raises(WorkError, match="augment changed in between"):
        checkpoint.find(Kept(tmp_path / "c.npz"), checkpoint.identity_of(turned, "version 1"))


def test_a_checkpoint_from_before_there_were_backgrounds_is_continued_without_one(tmp_path: Path) -> None:
    now = checkpoint.identity_of(SPEC, "version 1")
    before = {name: value for name, value in now.items() if name != "background"}
    checkpoint_of(identity=before).write(tmp_path / "c.npz")

    found = checkpoint.find(Kept(tmp_path / "c.npz"), now)
    assert found is not None
    assert found.background is None

    black = SPEC.model_copy(update={"background": "black"})
    with pytest.raises(WorkError, match=r"background changed in between \(was white, is black\)"):
        checkpoint.find(Kept(tmp_path / "c.npz"), checkpoint.identity_of(black, "version 1"))


def test_a_checkpoint_has_its_background(tmp_path: Path) -> None:
    black = SPEC.model_copy(update={"background": "black"})
    checkpoint_of(identity=checkpoint.identity_of(black, "1")).write(tmp_path / "c.npz")
    assert checkpoint.read(tmp_path / "c.npz").background == "black"
    with pytest.raises(WorkError, match=r"background changed in between \(was black, is white\)"):
        checkpoint.find(Kept(tmp_path / "c.npz"), checkpoint.identity_of(SPEC, "1"))


def test_a_checkpoint_of_a_spec_that_no_longer_exists_is_refused(tmp_path: Path) -> None:
    now = checkpoint.identity_of(SPEC, "version 1")
    checkpoint_of(identity=now | {"epochs": 0, "network": "gone"}).write(tmp_path / "c.npz")

    with pytest.raises(WorkError, match="network changed in between"):
        checkpoint.find(Kept(tmp_path / "c.npz"), now)
