from pathlib import Path

import keras
import numpy as np
import pytest

from jobyard.workers.networks import building
from jobyard.workers.networks.outputs import class_probabilities


def test_classic_has_exactly_the_promised_layers() -> None:
    model = building.build("classic", 150, 2, "float32")

    assert model.input_shape == (None, 150, 150, 3)
    assert [(type(layer).__name__, layer.output.shape[1:]) for layer in model.layers] == [
        ("InputLayer", (150, 150, 3)),
        ("Rescaling", (150, 150, 3)),
        ("Conv2D", (148, 148, 32)),
        ("MaxPooling2D", (74, 74, 32)),
        ("Conv2D", (72, 72, 64)),
        ("MaxPooling2D", (36, 36, 64)),
        ("Conv2D", (34, 34, 128)),
        ("MaxPooling2D", (17, 17, 128)),
        ("Flatten", (17 * 17 * 128,)),
        ("Dense", (512,)),
        ("Dense", (1,)),
    ]
    assert model.count_params() == 896 + 18_496 + 73_856 + 18_940_416 + 513
    weighted = [layer for layer in model.layers if layer.weights]
    assert [layer.activation.__name__ for layer in weighted] == ["relu"] * 4 + ["sigmoid"]
    assert [layer.kernel_size for layer in weighted[:3]] == [(3, 3)] * 3
    assert model.layers[1].scale == 1 / 255


def test_more_than_two_classes_end_in_a_softmax() -> None:
    model = building.build("classic", 32, 3, "float32")

    assert model.output_shape == (None, 3)
    assert model.layers[-1].activation.__name__ == "softmax"


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_leaves_scaling_and_the_last_layer_in_float32(precision: str) -> None:
    model = building.build("classic", 32, 2, precision)
    policies = [layer.dtype_policy.name for layer in model.layers]

    assert policies == ["float32"] * 2 + [precision] * 8 + ["float32"]
    assert {weight.dtype for weight in model.weights} == {"float32"}


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("size", [32, 50, 96])
def test_compact_is_made_of_layers_that_everybody_has(tmp_path: Path, size: int, classes: int) -> None:
    model = building.build("compact", size, classes, "float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    pixels = np.random.default_rng(0).uniform(0, 255, (3, size, size, 3))

    assert {type(layer).__module__.split(".")[0] for layer in loaded.layers} == {"keras"}
    np.testing.assert_array_equal(loaded(pixels), model(pixels))
    assert model.output_shape == (None, 1 if classes == 2 else classes)


def test_weights_of_compact_fit_pictures_of_any_size() -> None:
    small, large = (building.build("compact", size, 2, "float32") for size in (32, 512))

    assert [weight.shape for weight in small.weights] == [weight.shape for weight in large.weights]


@pytest.mark.parametrize(
    ("precision", "close"), [("float32", 1e-5), ("mixed_bfloat16", 0.02), ("mixed_float16", 0.003)]
)
def test_what_is_trained_computes_what_is_saved(precision: str, close: float) -> None:
    keras.utils.set_random_seed(0)
    trained = building.build("compact", 32, 3, precision, for_training=True)
    saved = building.build("compact", 32, 3, "float32")
    random = np.random.default_rng(0)
    for weight in trained.weights:  # at the beginning, many scales and offsets are 0
        if len(weight.shape) == 1:
            weight.assign(weight + random.uniform(0, 0.2, weight.shape))
    saved.set_weights(trained.get_weights())
    pixels = random.uniform(0, 255, (16, 32, 32, 3))

    np.testing.assert_allclose(trained(pixels), saved(pixels), atol=close)
    np.testing.assert_allclose(trained(pixels, training=True), saved(pixels, training=True), atol=close)
    # The one's variance is that of a sample, of 64 places at least: a 63rd more.
    for one, other in zip(trained.weights, saved.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1 / 63, atol=10 * close, err_msg=one.path)


def test_a_sigmoid_is_the_probability_of_the_second_class() -> None:
    np.testing.assert_allclose(class_probabilities([[0.25], [1.0]]), [[0.75, 0.25], [0.0, 1.0]])


def test_a_softmax_is_taken_as_it_is() -> None:
    np.testing.assert_allclose(class_probabilities([[0.2, 0.3, 0.5]]), [[0.2, 0.3, 0.5]])
