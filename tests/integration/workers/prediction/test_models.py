import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from jobyard.shared.errors import WorkError
from jobyard.workers.prediction.models import ModelCache

SaveModel = Callable[..., tuple[Path, str]]
CLASSES = ["cat", "dog"]


def test_a_model_is_read_once_and_then_kept(save_model: SaveModel) -> None:
    path, sha256 = save_model(2)
    cache = ModelCache()
    model = cache.get(path, sha256, CLASSES, 32)
    path.unlink()

    assert cache.get(path, sha256, CLASSES, 32) is model


def test_the_least_recently_used_model_makes_room(save_model: SaveModel) -> None:
    saved = [save_model(2, seed=seed) for seed in range(3)]
    cache = ModelCache(size=2)
    for path, sha256 in (saved[0], saved[1], saved[0], saved[2]):
        cache.get(path, sha256, CLASSES, 32)

    assert [sha256 in cache for _, sha256 in saved] == [True, False, True]
    assert len(cache) == 2


def test_a_tampered_model_is_refused(save_model: SaveModel) -> None:
    path, sha256 = save_model(2)
    path.write_bytes(path.read_bytes() + b"!")

    with pytest.raises(WorkError, match=f"the model file does not match its SHA-256 .should be {sha256}"):
        ModelCache().get(path, sha256, CLASSES, 32)


def test_an_h5_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")

    with pytest.raises(WorkError, match=r"'model\.h5': should be a \.keras file"):
        ModelCache().get(path, hashlib.sha256(path.read_bytes()).hexdigest(), CLASSES, 32)


def test_an_h5_file_by_another_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")

    with pytest.raises(WorkError, match="the model file can't be loaded"):
        ModelCache().get(path, hashlib.sha256(path.read_bytes()).hexdigest(), CLASSES, 32)


@pytest.mark.parametrize(("classes", "size"), [(["a", "b", "c"], 32), (["a", "b"], 64)])
def test_a_model_that_does_not_fit_its_record_is_refused(
    save_model: SaveModel, classes: list[str], size: int
) -> None:
    path, sha256 = save_model(2)

    with pytest.raises(WorkError, match=f"should fit pictures of {size} pixels and {len(classes)} classes"):
        ModelCache().get(path, sha256, classes, size)
