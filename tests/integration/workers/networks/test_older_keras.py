"""Model files are read by Keras 3.8 and all since then: by their keys, and tried by `make older-keras`.

`keras-3.8.json` has what the constructors of Keras 3.8 take, of the classes that the allow-list has.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from jobyard.workers.networks import building, model_file
from jobyard.workers.networks.architecture.layers import LAYERS
from jobyard.workers.networks.architecture.objects import INITIALIZERS
from jobyard.workers.networks.older_keras import CLASSES, for_older_keras, least_version
from tests.integration.workers.networks.test_architecture_tables import made

FOLDER = Path(__file__).parent
WRITTEN = json.loads((FOLDER / "keras-3.8.json").read_text(encoding="utf-8"))
TAKEN = {name: frozenset(keys.split()) for name, keys in WRITTEN.items()}
VERSIONS = os.environ.get("KERAS_VERSIONS", "").split()
SIZE = 32


def objects_in(value: Any) -> list[dict[str, Any]]:
    """All objects of a description, itself among them."""
    if isinstance(value, list):
        return [found for one in value for found in objects_in(one)]
    if not isinstance(value, dict):
        return []
    inside = [found for one in value.values() for found in objects_in(one)]
    return [value, *inside] if "class_name" in value else inside


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind[1])
def test_a_layer_is_written_as_keras_3_8_reads_it(kind: tuple[str, str]) -> None:
    written = for_older_keras(keras.saving.serialize_keras_object(made(kind)))
    if kind[1] in CLASSES:
        assert kind[1] not in TAKEN
        assert least_version(written) == ".".join(map(str, CLASSES[kind[1]]))
        return
    assert least_version(written) == "3.8"
    for one in objects_in(written):
        if one["class_name"] in TAKEN:
            assert set(one["config"]) <= TAKEN[one["class_name"]], one["class_name"]


@pytest.mark.parametrize("name", INITIALIZERS)
def test_an_initializer_is_written_as_keras_3_8_reads_it(name: str) -> None:
    needed = {"Constant": {"value": 0.5}}.get(name, {})
    made_ = getattr(keras.initializers, name)(**needed)
    written = for_older_keras(keras.saving.serialize_keras_object(made_))
    assert set(written["config"]) <= TAKEN[name]


@pytest.mark.parametrize(
    ("layer", "version"),
    [
        (keras.layers.Conv2DTranspose(2, 3, strides=2, output_padding=1), "3.11"),
        (keras.layers.Resizing(8, 8, antialias=True), "3.9"),
        (keras.layers.Dense(2, activation="sparse_sigmoid"), "3.10"),
        (keras.layers.BatchNormalization(renorm=True), "3.14"),
        (keras.layers.BatchNormalization(renorm_momentum=0.5), "3.8"),
    ],
)
def test_what_only_newer_versions_can_do_needs_one(layer: Any, version: str) -> None:
    description = for_older_keras([keras.saving.serialize_keras_object(layer)])
    assert least_version(description) == version
    again = keras.saving.deserialize_keras_object(description[0])
    mine, theirs = again.get_config(), layer.get_config()
    for config in (mine, theirs):
        if config.get("renorm") is False:
            del config["renorm_momentum"]
    assert mine == theirs


def functional() -> Any:
    """Layers of all sorts, and a model in a model."""
    layers = keras.layers
    pixels = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 255)(pixels)
    x = layers.Normalization(mean=[0.5] * 3, variance=[0.1] * 3)(x)
    x = layers.Conv2D(4, 3, padding="same", kernel_initializer="he_normal", kernel_regularizer="l2")(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(x)
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    x = layers.SeparableConv2D(6, 3, activation="gelu")(x)
    x = layers.DepthwiseConv2D(3, strides=2)(x)
    x = layers.GroupNormalization(2)(x)
    x = layers.SpatialDropout2D(0.1)(x)
    inner = keras.Input(x.shape[1:])
    x = keras.Model(inner, layers.LayerNormalization()(layers.PReLU(shared_axes=[1, 2])(inner)))(x)
    x = layers.Concatenate()([x, layers.Activation("swish")(x)])
    x = layers.Resizing(8, 8)(x)
    x = layers.Reshape((64, 12))(x)
    x = layers.MultiHeadAttention(2, 4)(x, x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(pixels, layers.Dense(3, activation="softmax")(x))


def with_operations() -> Any:
    """Functions of keras.ops between the layers; the second one has a name in its description."""
    pixels = keras.Input((SIZE, SIZE, 3))
    x = keras.ops.mean(pixels / 127.5 - 1, axis=(1, 2))
    return keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(x))


def models() -> dict[str, Any]:
    """Networks of ours with weights that are drawn, batch normalisation included."""
    found = {
        name: building.build(name, SIZE, classes, "float32")
        for name, classes in (("classic", 2), ("compact", 3), ("efficientnet-lite0", 3))
    } | {"functional": functional(), "operations": with_operations()}
    random = np.random.default_rng(3)
    for model in found.values():
        model.set_weights([abs(random.normal(0.1, 0.05, one.shape)) for one in model.get_weights()])
    return found


def test_a_saved_model_has_no_key_that_says_nothing_and_answers_as_before(tmp_path: Path) -> None:
    pictures = np.random.default_rng(5).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.float32)
    model = functional()
    path = tmp_path / "model.keras"
    assert model_file.save(model, path) == "3.8"
    assert list(tmp_path.iterdir()) == [path]
    loaded = keras.saving.load_model(path, compile=False)
    np.testing.assert_array_equal(loaded(pictures), model(pictures))
    description = json.loads(loaded.to_json())
    assert for_older_keras(description) != description
    assert for_older_keras(for_older_keras(description)) == for_older_keras(description)


@pytest.mark.skipif(not VERSIONS, reason="installs older versions of Keras: make older-keras")
def test_older_keras_loads_models_and_gives_equal_answers(tmp_path: Path) -> None:
    pictures = np.random.default_rng(5).integers(0, 256, (3, SIZE, SIZE, 3)).astype(np.float32)
    np.save(tmp_path / "pictures.npy", pictures)
    least = {}
    for name, model in models().items():
        least[name] = model_file.save(model, tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", np.asarray(model(pictures, training=False)))
    assert least == dict.fromkeys(least, "3.8") | {"operations": "3.11"}
    for version in VERSIONS:
        target = tmp_path / f"keras-{version}"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", str(target), f"keras=={version}"], check=True, timeout=300)
        names = [name for name in least if numbers(least[name]) <= numbers(version)]
        child = [sys.executable, "-I", str(FOLDER / "older_keras.py"), str(target), version, str(tmp_path)]
        result = subprocess.run([*child, *names], capture_output=True, text=True, timeout=600)
        assert result.returncode == 0, f"Keras {version}: {result.stderr[-2_000:]}"


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
