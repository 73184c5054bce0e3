"""Overlays mark what a network looks at: it is trained on pictures whose evidence is in a known quarter."""

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jobyard.shared.errors import WorkError
from jobyard.workers.networks import building
from jobyard.workers.networks.outputs import class_probabilities
from jobyard.workers.prediction.explain import MAX_SIDE, Explainer, overlay
from jobyard.workers.training import optimization

SIZE = 48
HALF = SIZE // 2
QUARTERS = [(slice(y, y + HALF), slice(x, x + HALF)) for y in (0, HALF) for x in (0, HALF)]

Drawn = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]


def drawn(count: int, classes: int, seed: int) -> Drawn:
    """Noise, with stripes in one quarter whose direction is the class; pixels, classes, quarters."""
    random = np.random.default_rng(seed)
    pixels = random.integers(90, 160, (count, SIZE, SIZE, 3), dtype=np.uint8)
    labels, quarters = random.integers(0, classes, count), random.integers(0, 4, count)
    y, x = np.mgrid[:HALF, :HALF]
    stripes = [np.where(along // 3 % 2, 255, 0) for along in (x, y, x + y)]
    for picture, label, quarter in zip(pixels, labels, quarters, strict=True):
        picture[QUARTERS[quarter]] = stripes[label][..., np.newaxis]
    return pixels, labels, quarters


def build(classes: int) -> Any:
    """Two classes: Sequential with one sigmoid; three: functional, with an activation of its own."""
    keras.utils.set_random_seed(1)
    body = [
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
    ]
    inputs = keras.Input((SIZE, SIZE, 3))
    if classes == 2:
        return keras.Sequential([inputs, *body, keras.layers.Dense(1, activation="sigmoid")])
    outputs = inputs
    for layer in body:
        outputs = layer(outputs)
    return keras.Model(inputs, keras.layers.Softmax()(keras.layers.Dense(classes)(outputs)))


def probabilities(network: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return class_probabilities(network.predict(pixels.astype(np.float32), verbose=0))


@pytest.mark.parametrize("classes", [2, 3])
def test_covering_the_marked_quarter_costs_the_class_more_than_covering_others(classes: int) -> None:
    network = build(classes)
    network.compile(keras.optimizers.Adam(0.003), optimization.loss(network.output_shape[-1]))
    pixels, labels, _ = drawn(600, classes, seed=0)
    network.fit(pixels.astype(np.float32), labels, batch_size=32, epochs=8, verbose=0)

    pixels, labels, quarters = drawn(60, classes, seed=1)
    before = probabilities(network, pixels)
    predicted = before.argmax(axis=1)
    assert (predicted == labels).mean() > 0.95, "it has learned what it is shown"

    maps = Explainer(network).maps(pixels, predicted)
    middle = [dimension // 2 for dimension in maps.shape[1:]]
    top, bottom = maps[:, : middle[0]], maps[:, -middle[0] :]
    parts = [part for rows in (top, bottom) for part in (rows[:, :, : middle[1]], rows[:, :, -middle[1] :])]
    marked = np.stack([part.sum(axis=(1, 2)) for part in parts], axis=1).argmax(axis=1)

    everyone = np.arange(len(pixels))
    drops = np.empty((len(pixels), 4))
    for quarter, place in enumerate(QUARTERS):
        covered = pixels.copy()
        covered[(slice(None), *place)] = 125
        drops[:, quarter] = (before - probabilities(network, covered))[everyone, predicted]
    of_marked = drops[everyone, marked]
    of_others = (drops.sum(axis=1) - of_marked) / 3
    assert of_marked.mean() > 0.25
    assert abs(of_others.mean()) < 0.1
    assert (marked == quarters).mean() > 0.8


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_networks_that_are_trained_here_can_be_explained(
    tmp_path: Path, precision: str, classes: int
) -> None:
    keras.utils.set_random_seed(0)
    pixels, labels, _ = drawn(5, classes, seed=2)
    for name in building.NETWORKS:
        building.build(name, SIZE, classes, precision).save(tmp_path / "model.keras")
        network = keras.models.load_model(tmp_path / "model.keras", compile=False)
        maps = Explainer(network).maps(pixels, labels)
        assert maps.dtype == np.float32
        assert len(maps) == 5
        assert min(maps.shape[1:]) > 1
        assert maps.min() >= 0
        assert set(maps.max(axis=(1, 2))) <= {0, 1}


def test_certain_networks_are_explained_as_well() -> None:
    """At probabilities that are 1 to the last bit there is no gradient, but in the logits."""
    network = build(2)
    network.layers[-1].bias.assign([100.0])
    pixels, _, _ = drawn(3, 2, seed=3)
    assert probabilities(network, pixels)[:, 1].tolist() == [1, 1, 1]
    for label in (0, 1):
        maps = Explainer(network).maps(pixels, np.full(3, label))
        assert np.isfinite(maps).all()
    assert sum(Explainer(network).maps(pixels, np.full(3, label)).max() for label in (0, 1)) > 0


def test_a_network_that_loses_all_places_is_refused() -> None:
    inputs = keras.Input((SIZE, SIZE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    network = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(WorkError, match="can't be explained: none of its layers is a convolution"):
        Explainer(keras.Model(inputs, keras.layers.Dense(2)(pooled)))
    with pytest.raises(WorkError, match="can't be explained: none of its layers is a convolution"):
        Explainer(network)
    small = keras.layers.Conv2D(4, SIZE)(inputs)
    with pytest.raises(WorkError, match="can't be explained: none of its layers has spatial outputs"):
        Explainer(keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(small))))


def test_the_layers_of_nested_models_are_explained_as_if_they_were_the_networks_own() -> None:
    pixels, labels, _ = drawn(5, 3, seed=2)
    flat = build(3)
    inputs = keras.Input((SIZE, SIZE, 3))
    body = keras.Model(flat.inputs, flat.layers[-2].output)
    nested = keras.Model(inputs, flat.layers[-1](keras.Sequential([body])(inputs)))
    np.testing.assert_array_equal(
        Explainer(nested).maps(pixels, labels), Explainer(flat).maps(pixels, labels)
    )


def test_an_overlay_covers_what_is_hot_and_leaves_the_rest_in_its_own_proportions() -> None:
    picture = Image.new("RGB", (MAX_SIDE, 200), (10, 200, 30))
    heat = np.zeros((4, 4), dtype=np.float32)
    heat[:, 3] = 1
    with Image.open(io.BytesIO(overlay(picture, heat))) as drawn_over:
        assert (drawn_over.format, drawn_over.size) == ("PNG", picture.size)
        assert drawn_over.getpixel((10, 100)) == (10, 200, 30)
        red, green, _ = drawn_over.getpixel((MAX_SIDE - 5, 100))
        assert red > green
