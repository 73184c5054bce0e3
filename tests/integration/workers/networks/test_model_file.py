import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from jobyard.shared.errors import WorkError
from jobyard.workers.networks import model_file
from jobyard.workers.networks.model_file import ModelFile


def convolutional(size: int, classes: int, filters: int = 4) -> Any:
    """A network whose weights fit pictures of any size."""
    layers = [
        keras.Input((size, size, 3)),
        keras.layers.Conv2D(filters, 3),
        keras.layers.BatchNormalization(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(1 if classes == 2 else classes),
    ]
    return keras.Sequential(layers)


def kept(folder: Path, size: int, classes: list[str]) -> tuple[Any, ModelFile]:
    model, path = convolutional(size, len(classes)), folder / "model.keras"
    model.layers[1].moving_mean.assign(np.arange(4.0))
    model.save(path)
    return model, ModelFile("earlier@1", path, hashlib.sha256(path.read_bytes()).hexdigest(), classes, size)


def test_a_network_that_fits_any_size_goes_on_with_another_one(tmp_path: Path) -> None:
    source, earlier = kept(tmp_path, 32, ["a", "b"])
    model = convolutional(48, 2)

    assert model_file.initialize(model, ["a", "b"], earlier) == "kept"
    for mine, theirs in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("classes", [["a", "c"], ["a", "b", "c"]])
def test_other_classes_get_a_last_layer_of_their_own(tmp_path: Path, classes: list[str]) -> None:
    source, earlier = kept(tmp_path, 32, ["a", "b"])
    model = convolutional(32, len(classes))
    fresh = model.layers[-1].get_weights()

    assert model_file.initialize(model, classes, earlier) == "new"
    for mine, theirs in zip(model.layers[:-1], source.layers[:-1], strict=True):
        for one, other in zip(mine.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    for one, other in zip(model.layers[-1].get_weights(), fresh, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_network_with_other_layers_is_refused(tmp_path: Path) -> None:
    _, earlier = kept(tmp_path, 32, ["a", "b"])

    with pytest.raises(WorkError, match="can't start from the weights of earlier@1: its layers differ"):
        model_file.initialize(convolutional(32, 2, filters=5), ["a", "b"], earlier)


def test_a_file_that_was_tampered_with_is_not_opened(tmp_path: Path) -> None:
    _, earlier = kept(tmp_path, 32, ["a", "b"])
    with earlier.path.open("ab") as file:
        file.write(b"x")

    with pytest.raises(WorkError, match="does not match its SHA-256"):
        model_file.initialize(convolutional(32, 2), ["a", "b"], earlier)
