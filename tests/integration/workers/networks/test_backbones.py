"""A file of weights that an operator names: its numbers become a network's, and no more of it is used."""

import zlib
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from jobyard.shared.errors import WorkError
from jobyard.workers.networks.backbones import Backbone
from jobyard.workers.networks.efficientnet import FEATURES

KERNEL = "layers/conv2d/vars/0"


def network(classes: int = 3) -> Any:
    """A backbone of one convolution, and a head."""
    pixels = keras.Input((8, 8, 3))
    features = layers.GlobalAveragePooling2D(name=FEATURES)(layers.Conv2D(4, 3, name="first")(pixels))
    return keras.Model(pixels, layers.Dense(classes)(features))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    saved = network()
    saved.set_weights([np.full(weight.shape, 2, "f4") for weight in saved.weights])
    path = tmp_path / "own.weights.h5"
    saved.save_weights(path)
    return path


def loaded(path: Path) -> Any:
    model = network(classes=5)
    Backbone(path, path.name, "").load_into(model, path.parent)
    return model


def test_the_backbone_of_a_file_is_used_and_its_head_is_not(path: Path) -> None:
    model = loaded(path)
    assert [float(weight.numpy().min()) for weight in model.weights[:2]] == [2, 2]
    assert 2 not in model.layers[-1].kernel.numpy()
    assert list(path.parent.iterdir()) == [path]


def alter(path: Path, how: str) -> None:  # noqa: C901 - a case for each trick
    with h5py.File(path, "a") as file:
        values = file["layers/conv2d/vars"]
        del values["0"]
        match how:
            case "other layer":
                file.move("layers/conv2d", "layers/other")
            case "external link":
                values["0"] = h5py.ExternalLink("other.h5", "/secret")
            case "soft link":
                values["0"] = h5py.SoftLink("/layers/conv2d/vars/1")
            case "external storage":
                secret = [(str(path.parent / "secret"), 0, 432)]
                values.create_dataset("0", (3, 3, 3, 4), "f4", external=secret)
            case "virtual":
                layout = h5py.VirtualLayout((3, 3, 3, 4), "f4")
                layout[:] = h5py.VirtualSource("other.h5", "secret", (3, 3, 3, 4))
                values.create_virtual_dataset("0", layout)
            case "huge":
                values.create_dataset("0", (2**40,), "f4")
            case "bomb":
                values.create_dataset("0", (3, 3, 3, 4), "f4", chunks=(3, 3, 3, 4), compression="gzip")
                values["0"].id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(100_000), 9))
            case "filter":
                values.create_dataset("0", data=np.zeros((3, 3, 3, 4), "f4"), compression="lzf")
            case "type":
                values.create_dataset("0", data=np.zeros((3, 3, 3, 4)))
            case "shape":
                values.create_dataset("0", data=np.zeros((3, 3, 3, 5), "f4"))
            case "group":
                values.create_group("0")
            case "NaN":
                values.create_dataset("0", data=np.full((3, 3, 3, 4), np.nan, "f4"))


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("missing", rf"'{KERNEL}' is missing; the network has float32 \(3, 3, 3, 4\)"),
        ("other layer", rf"'{KERNEL}' is missing"),
        ("external link", rf"'{KERNEL}' is a link to another file"),
        ("soft link", rf"'{KERNEL}' is a soft link"),
        ("external storage", "has its bytes in another file"),
        ("virtual", "is virtual"),
        ("huge", "says 4,398,046,511,104 bytes, but has 0"),
        ("bomb", "unpacks to other than the 432 bytes"),
        ("filter", "is packed by filter 32000"),
        ("type", rf"'{KERNEL}' is float64 \(3, 3, 3, 4\); the network has float32"),
        ("shape", rf"'{KERNEL}' is float32 \(3, 3, 3, 5\); the network has"),
        ("group", rf"'{KERNEL}' is missing"),
        ("NaN", "has 108 values that are NaN or infinite"),
    ],
)
def test_what_are_no_weights_of_the_network_is_refused(path: Path, how: str, why: str) -> None:
    (path.parent / "secret").write_bytes(bytes(432))
    alter(path, how)
    with pytest.raises(WorkError, match=rf"^own\.weights\.h5 can't be read as weights of Keras: .*{why}"):
        loaded(path)


@pytest.mark.parametrize("size", [0, 7, 500, 4_000])
def test_a_torn_file_is_refused(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(WorkError, match=r"^own\.weights\.h5 can't be read as weights of Keras: "):
        loaded(path)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        WorkError, match=r"^gone\.weights\.h5 can't be read as weights of Keras: No such file"
    ):
        loaded(tmp_path / "gone.weights.h5")
