"""An untrained model on disk, as a training saves it, and small noisy pictures."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from jobyard.workers.networks import building
from jobyard.workers.prediction.models import LoadedModel, ModelCache

SIZE = 32


@pytest.fixture(scope="session")
def save_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, str]]:
    """Saves a network for so many classes; returns its path and SHA-256."""

    def save(classes: int, seed: int = 0) -> tuple[Path, str]:
        keras.utils.set_random_seed(seed)
        path = tmp_path_factory.mktemp("model") / "model.keras"
        building.build("classic", SIZE, classes, "float32").save(path)
        return path, hashlib.sha256(path.read_bytes()).hexdigest()

    return save


@pytest.fixture(scope="session")
def load(save_model: Callable[..., tuple[Path, str]]) -> Callable[[list[str]], tuple[LoadedModel, Path]]:
    """Saves and loads a network for those classes; returns it and its path."""

    def build(classes: list[str]) -> tuple[LoadedModel, Path]:
        path, sha256 = save_model(len(classes))
        return ModelCache().get(path, sha256, classes, SIZE), path

    return build


@pytest.fixture(scope="session")
def png() -> Callable[[int], bytes]:
    """The bytes of a noisy picture, by its number."""

    def draw(number: int) -> bytes:
        noise = np.random.default_rng(number).integers(0, 256, (24, 40, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).save(file, "PNG")
        return file.getvalue()

    return draw
