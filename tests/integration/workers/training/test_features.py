"""What a backbone makes of pictures: each once, under a name that says what it depends on."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from jobyard.shared.errors import DiskFull
from jobyard.shared.kinds.train import Augment
from jobyard.workers.datasets import array_cache, pixels
from jobyard.workers.networks import backbones
from jobyard.workers.networks.backbones import Backbone
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.training import features
from jobyard.workers.training.data import Pictures
from jobyard.workers.training.features import Extractor, Features
from jobyard.workers.training.sources import FeatureSource

VIEWS = 30
# Between two pictures.
LEVEL = 20


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "CHUNK", 4)


def drawn(part: str, count: int) -> Pictures:
    """Pictures of noise, each around a level of its own, whose names are in no order."""
    random = np.random.default_rng(count)
    names = [f"{part}/a/{number}.png" for number in random.permutation(count)]
    levels = LEVEL * np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1)
    noise = random.integers(0, LEVEL - 4, (count, 16, 16, 3), dtype=np.uint8)
    return Pictures(levels + noise, np.arange(count, dtype=np.int32), names)


TRAIN, HELD_OUT = drawn("train", 10), drawn("validation", 7)


@pytest.fixture(scope="module")
def model() -> Any:
    """Means of each channel."""
    return keras.Sequential([keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D()])


def extracted(model: Any, folder: Path, identity: str = "one") -> Features:
    (folder / "work").mkdir(exist_ok=True)
    extractor = Extractor(model, identity, folder / "cache", folder / "work", NoProgress())
    return extractor.extract(TRAIN, HELD_OUT, Augment(shear=0, zoom=0, crop=0.5), 0, VIEWS)


def rows_of(source: FeatureSource) -> Any:
    return source.plain(np.arange(len(source.labels)))


def test_each_picture_has_its_own_features_in_each_view(tmp_path: Path, model: Any) -> None:
    found = extracted(model, tmp_path)

    np.testing.assert_allclose(rows_of(found.held_out), HELD_OUT.pixels.mean((1, 2)), rtol=1e-5)
    views = rows_of(found.train).reshape(VIEWS, 10, 3)
    np.testing.assert_allclose(views[0], TRAIN.pixels.mean((1, 2)), rtol=1e-5)
    assert found.train.labels.reshape(VIEWS, 10).tolist() == [list(range(10))] * VIEWS
    # A crop of noise has nearly the same mean, and another picture has another level.
    changes = np.abs(views[1:] - views[0])
    assert changes.max(axis=(1, 2)).min() > 0, "each view changes some picture"
    assert changes.max() < LEVEL / 2
    again = extracted(model, tmp_path)
    np.testing.assert_array_equal(rows_of(again.train), rows_of(found.train))
    np.testing.assert_array_equal(rows_of(again.held_out), rows_of(found.held_out))


def test_many_views_take_no_more_open_files_than_one(tmp_path: Path, model: Any) -> None:
    """A memory map holds its file open, and a process may have some thousand."""
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in ("computed", "kept"):
        found = extracted(model, tmp_path)
        assert len(list(Path("/dev/fd").iterdir())) <= before + 4
        assert len(found.train.labels) == 10 * VIEWS
    assert len(list((tmp_path / "cache").glob("*-features.npy"))) == 3 * VIEWS + 2


def test_features_of_other_pixels_or_weights_are_others(
    tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = Backbone(tmp_path / "any", "any", "0" * 64)

    def entries() -> int:
        extracted(model, tmp_path, backbone.identity)
        return len(list((tmp_path / "cache").iterdir()))

    once = entries()
    assert entries() == once
    monkeypatch.setattr(pixels, "DECODER", "another")
    assert entries() == 2 * once
    monkeypatch.setattr(backbones, "CONVERSION", backbones.CONVERSION + 1)
    assert entries() == 3 * once


def test_room_is_made_for_all_that_is_to_be_written(
    tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "cache" / "old.npy"
    old.parent.mkdir()
    old.write_bytes(bytes(1_000))
    every = 10 * VIEWS * 3 * 4
    free = [every - 1]

    def disk_usage(_: Path) -> Any:
        return type("Usage", (), {"free": free[0] + (0 if old.exists() else 2_000), "total": 10**9})

    monkeypatch.setattr(array_cache.shutil, "disk_usage", disk_usage)
    extracted(model, tmp_path)
    assert not old.exists()

    free[0] = every - 2_001
    with pytest.raises(DiskFull, match=r"the features need 0\.0 GB of disk.*lower views or free some space"):
        extracted(model, tmp_path)
