"""Foreign models: the file that is kept predicts what the one that came does, to the last bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from jobyard.shared.errors import WorkError
from jobyard.workers.networks import model_file
from jobyard.workers.networks.foreign.task import MODEL
from tests.integration.workers.networks.foreign.registering import register

SIZE = 32
PICTURES = np.random.default_rng(0).integers(0, 256, (6, SIZE, SIZE, 3)).astype(np.float32)
TWO, THREE = ["cats", "dogs"], ["cats", "dogs", "owls"]


def sequential() -> Any:
    """Preprocessing of its own, and layers that do something else in training."""
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Rescaling(1 / 255),
            layers.RandomFlip("horizontal"),
            layers.Conv2D(8, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def functional() -> Any:
    """Branches that meet again, cropping, a resizing, and a layer that is called twice."""
    pixels = keras.Input((SIZE, SIZE, 3))
    x = layers.CenterCrop(28, 28)(pixels)
    x = layers.Resizing(24, 24)(x)
    x = layers.Normalization(mean=[120.0, 115.0, 100.0], variance=[3_600.0, 3_500.0, 3_700.0])(x)
    shared = layers.Conv2D(3, 3, padding="same", activation="relu")
    x = shared(shared(x))
    left = layers.SeparableConv2D(8, 3, padding="same")(x)
    right = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    x = layers.Concatenate()([left, layers.BatchNormalization(momentum=0.5)(right)])
    x = layers.Add()([x, layers.Conv2D(14, 1)(x)])
    return keras.Model(pixels, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def transferred() -> Any:
    """Blocks of an architecture of keras.applications within a model, as in transfer learning."""
    whole = keras.applications.MobileNetV2((SIZE, SIZE, 3), alpha=0.35, include_top=False, weights=None)
    base = keras.Model(whole.input, whole.get_layer("block_2_add").output)
    pixels = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 127.5, -1)(pixels)
    x = layers.GlobalAveragePooling2D()(base(x, training=False))
    return keras.Model(pixels, layers.Dense(1, activation="sigmoid")(x))


def nested() -> Any:
    """Models in a model in a model."""
    block = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Conv2D(6, 3), layers.BatchNormalization()])
    inner = keras.Input((SIZE, SIZE, 3))
    whole = keras.Model(inner, layers.ReLU()(block(inner)))
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Rescaling(1 / 255),
            whole,
            layers.GlobalMaxPooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )


def normalised() -> Any:
    """A Normalization that has learned its numbers from pictures."""
    learned = layers.Normalization()
    learned.adapt(PICTURES)
    return keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), learned, layers.Flatten(), layers.Dense(3, activation="softmax")]
    )


def of_policy(policy: str) -> Callable[[], Any]:
    def make() -> Any:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            return sequential()
        finally:
            keras.config.set_dtype_policy(before)

    return make


NETWORKS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "sequential": (sequential, THREE),
    "functional": (functional, THREE),
    "transferred": (transferred, TWO),
    "nested": (nested, TWO),
    "normalised": (normalised, THREE),
    "mixed_bfloat16": (of_policy("mixed_bfloat16"), THREE),
    "mixed_float16": (of_policy("mixed_float16"), THREE),
}


def trained(network: Any) -> Any:
    """A step: enough for every weight, and every statistic, to be another number than at first."""
    outputs = network.output_shape[-1]
    loss = "binary_crossentropy" if outputs == 1 else "sparse_categorical_crossentropy"
    network.compile("adam", loss, run_eagerly=True)
    network.train_on_batch(PICTURES, np.arange(len(PICTURES)) % max(outputs, 2))
    return network


def outputs(network: Any, pictures: Any = PICTURES) -> bytes:
    return np.asarray(network(pictures, training=False)).tobytes()


@pytest.mark.parametrize(("make", "classes"), NETWORKS.values(), ids=NETWORKS)
def test_predictions_are_those_of_the_foreign_file(
    tmp_path: Path, make: Callable[[], Any], classes: list[str]
) -> None:
    network = trained(make())
    kept, found = register(network, tmp_path, classes)
    foreign = keras.models.load_model(tmp_path / "upload.keras", compile=False)
    assert outputs(kept) == outputs(foreign) == outputs(network)
    assert found["source"]["parameters"] == network.count_params()
    assert found["source"]["warnings"] == []
    assert not kept.compiled
    assert kept.input_shape == (None, SIZE, SIZE, 3)


@pytest.mark.parametrize(("rescale", "scale", "offset"), [("0..1", 1 / 255, 0), ("-1..1", 1 / 127.5, -1)])
@pytest.mark.parametrize("make", [functional, sequential], ids=["functional", "sequential"])
def test_pixels_are_scaled_for_a_network_that_does_not(
    tmp_path: Path, make: Callable[[], Any], rescale: str, scale: float, offset: float
) -> None:
    network = _without_scaling(make())
    kept, found = register(network, tmp_path, THREE, rescale=rescale)
    scaled = layers.Rescaling(scale, offset)(PICTURES)
    assert outputs(kept) == outputs(network, scaled)
    assert outputs(kept) != outputs(network)
    assert found["source"]["rescale"] == f"{rescale}: a Rescaling was put in front"


def _without_scaling(network: Any) -> Any:
    """The layers after those that prepare pixels, in a network of their own."""
    first = next(at for at, layer in enumerate(network.layers) if isinstance(layer, layers.Conv2D))
    if isinstance(network, keras.Sequential):
        return keras.Sequential([keras.Input((SIZE, SIZE, 3)), *network.layers[first:]])
    convolution = network.layers[first]
    pixels = keras.Input((SIZE, SIZE, 3))
    x = convolution(pixels)
    x = layers.Add()([x, layers.BatchNormalization()(pixels)])
    return keras.Model(pixels, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))


def ending_in(*last: Any) -> Any:
    return keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), layers.Rescaling(1 / 255), layers.GlobalAveragePooling2D(), *last]
    )


@pytest.mark.parametrize(
    ("units", "classes", "activation"), [(1, TWO, "sigmoid"), (2, TWO, "softmax"), (3, THREE, "softmax")]
)
def test_logits_become_probabilities(tmp_path: Path, units: int, classes: list[str], activation: str) -> None:
    network = ending_in(layers.Dense(units))
    kept, found = register(network, tmp_path, classes)
    wanted = keras.activations.get(activation)(network(PICTURES))
    assert outputs(kept) == np.asarray(wanted).tobytes()
    assert found["outputs"] == activation
    assert "were taken for logits" in found["source"]["warnings"][0]


@pytest.mark.parametrize(
    "last",
    [
        (layers.Dense(3, activation="softmax"),),
        (layers.Dense(3), layers.Activation("softmax")),
        (layers.Dense(3), layers.Softmax()),
        (layers.Dense(3), layers.Softmax(), layers.Dropout(0.1), layers.Flatten()),
    ],
    ids=["dense", "activation", "softmax", "neutral"],
)
def test_an_end_in_probabilities_stays_as_it_is(tmp_path: Path, last: tuple[Any, ...]) -> None:
    _, found = register(ending_in(*last), tmp_path, THREE)
    assert found["source"]["head"] == "softmax, as it was"


REFUSED: dict[str, tuple[Any, list[str], dict[str, Any], str]] = {
    "too many outputs": (
        ending_in(layers.Dense(4, activation="softmax")),
        TWO,
        {},
        "has 4 outputs: classes should be 4 names, but are 2",
    ),
    "too few outputs": (
        ending_in(layers.Dense(1, activation="sigmoid")),
        THREE,
        {},
        "classes should be 2 names, but are 3",
    ),
    "several labels at once": (
        ending_in(layers.Dense(3, activation="sigmoid")),
        THREE,
        {},
        "ends in sigmoid: should end in softmax",
    ),
    "no probabilities": (
        ending_in(layers.Dense(3, activation="relu")),
        THREE,
        {},
        "ends in relu: should end in softmax",
    ),
    "a map": (
        keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Conv2D(3, 1)]),
        THREE,
        {"rescale": "none"},
        "should be a number for each class",
    ),
    "unscaled": (
        keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Flatten(), layers.Dense(3)]),
        THREE,
        {},
        "rescale should say what it expects, 0..1, -1..1 or none",
    ),
    "another size": (ending_in(layers.Dense(3)), THREE, {"image_size": 64}, "image_size is 64"),
}


@pytest.mark.parametrize(("network", "classes", "given", "words"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, network: Any, classes: list[str], given: dict[str, Any], words: str
) -> None:
    with pytest.raises(WorkError, match=words):
        register(network, tmp_path, classes, **given)


def test_a_rescaling_of_the_networks_own_is_enough(tmp_path: Path) -> None:
    network = ending_in(layers.Dense(3, activation="softmax"))
    kept, found = register(network, tmp_path, THREE, rescale="0..1")
    assert outputs(kept) == outputs(network)
    assert "rescale 0..1 was left out" in found["source"]["warnings"][0]


def test_a_network_for_pictures_of_any_size_gets_one(tmp_path: Path) -> None:
    network = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    with pytest.raises(WorkError, match="takes pictures of any size; image_size should say of which"):
        register(network, tmp_path, THREE)
    kept, found = register(network, tmp_path, THREE, image_size=SIZE)
    assert outputs(kept) == outputs(network)
    assert found["image_size"] == SIZE


def test_the_file_that_is_kept_is_loaded_as_all_others_are(tmp_path: Path) -> None:
    import hashlib

    register(ending_in(layers.Dense(2, activation="softmax")), tmp_path, TWO)
    path = tmp_path / MODEL
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert model_file.load(path, digest, TWO, SIZE).output_shape == (None, 2)
