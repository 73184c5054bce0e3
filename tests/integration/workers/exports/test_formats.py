"""Each format, run by the runtime that people have, gives the probabilities that Keras gives.

`make exports` also tries all networks and architectures of keras.applications; this is the short version.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from jobyard.shared.errors import WorkError
from jobyard.workers.exports import checks, conversion
from jobyard.workers.exports.reasons import cause
from jobyard.workers.exports.task import Task
from jobyard.workers.networks.building import build

Array = NDArray[np.float32]

# The converters warn of what they use.
pytestmark = pytest.mark.filterwarnings("ignore")

ALL = "EXPORTS" in os.environ
NETWORKS = [("efficientnet-lite0", 32, 4)]
MORE_NETWORKS = [
    ("compact", 48, 2),
    ("compact", 48, 3),
    ("classic", 40, 2),
    ("classic", 40, 3),
    ("efficientnet-lite0", 64, 2),
]
QUANTISED = [("dynamic", 0.3, 0.05)]
MORE_QUANTISED = [("float16", 0.55, 0.005)]
APPLICATIONS = [
    "MobileNetV2",
    "MobileNetV3Small",
    "EfficientNetV2B0",
    "DenseNet121",
    "ResNet50V2",
    "ConvNeXtTiny",
]

SUFFIXES = {"onnx": ".onnx", "tflite": ".tflite", "savedmodel": ".zip"}


@pytest.fixture(autouse=True)
def _arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """tf2onnx is called by its command line."""
    monkeypatch.setattr(sys, "argv", sys.argv)


def made(network: str, size: int, classes: int, precision: str = "float32") -> Any:
    """A network of ours with random weights, of which all matter."""
    keras.utils.set_random_seed(7)
    model = build(network, size, classes, precision)
    random = np.random.default_rng(7)
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, offset, mean, variance = (random.uniform(0.7, 1.3, one.shape) for one in weights)
            layer.set_weights([gamma, offset - 1, mean - 1, variance])
        elif weights:
            # As much comes out of a layer as goes in.
            inputs = 9 if isinstance(layer, keras.layers.DepthwiseConv2D) else np.prod(weights[0].shape[:-1])
            kernel = random.normal(0, np.sqrt(2 / inputs), weights[0].shape)
            layer.set_weights([kernel, *weights[1:]])
    return model


def centred(model: Any) -> Any:
    """The same with a last layer that gives each picture other probabilities, none of them nearly 1."""
    last = model.layers[-1]
    pixels = photographs(8, model.input_shape[1])
    features = np.asarray(keras.Model(model.input, last.input)(pixels, training=False))
    kernel = last.get_weights()[0] / features.std(axis=0).max()
    last.set_weights([kernel, -features.mean(axis=0) @ kernel])
    return model


def exported(model: Any, folder: Path, format_: Any, quantize: Any = "none") -> tuple[Path, dict[str, Any]]:
    """The file, and what is known of it."""
    folder = folder / f"{format_}-{quantize}"
    folder.mkdir()
    size, outputs = model.input_shape[1], model.output_shape[1]
    target = folder / f"model{SUFFIXES[format_]}"
    classes = [f"c{number}" for number in range(max(outputs, 2))]
    task = Task("", "", classes, size, "pets", 3, format_, quantize, str(target))
    return target, conversion.export(model, task)


def photographs(count: int, size: int) -> Array:
    """(count, size, size, 3) of 0…255: gradients with noise, not those that an export compares itself."""
    random = np.random.default_rng(count)
    ramp = np.linspace(0, 255, size, dtype=np.float32)
    plain = np.stack(
        [np.add.outer(ramp, ramp) / 2, np.add.outer(ramp, ramp[::-1]) / 2, np.tile(ramp, (size, 1))], -1
    )
    return np.clip(plain + random.normal(0, 40, (count, size, size, 3)), 0, 255).astype(np.float32)


def by_onnxruntime(path: Path, pixels: Array) -> tuple[str, str, Array]:
    session = onnxruntime.InferenceSession(path)
    (given,), (output,) = session.get_inputs(), session.get_outputs()
    assert given.shape == ["n", *pixels.shape[1:]]
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"])[0] == "c0"
    (found,) = session.run(None, {given.name: pixels})
    return given.name, output.name, found


def by_litert(path: Path, pixels: Array) -> tuple[str, str, Array]:
    interpreter = Interpreter(str(path))
    ((_, names),) = interpreter.get_signature_list().items()
    (index,) = [one["index"] for one in interpreter.get_input_details()]
    interpreter.resize_tensor_input(index, pixels.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, pixels)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return names["inputs"][0], names["outputs"][0], found


RUNTIMES: dict[str, Callable[[Path, Array], tuple[str, str, Array]]] = {
    "onnx": by_onnxruntime,
    "tflite": by_litert,
}


@pytest.mark.parametrize(("network", "size", "classes"), NETWORKS + MORE_NETWORKS * ALL)
def test_it_gives_the_probabilities_of_keras(tmp_path: Path, network: str, size: int, classes: int) -> None:
    model = centred(made(network, size, classes))
    for format_, run in RUNTIMES.items():
        path, facts = exported(model, tmp_path, format_)
        for count in (1, 5):
            pixels = photographs(count, size)
            given, output, found = run(path, pixels)
            wanted = np.asarray(model(pixels, training=False))
            assert np.abs(found - wanted).max() <= 1e-4
            assert given == "pixels"
            assert output == ("probability" if classes == 2 else "probabilities")
        assert np.ptp(wanted, axis=0).max() > 1e-3
        assert facts["largest_difference"] <= 1e-4
        assert facts["precision"] == "float32"
        assert facts["input"] == f"pixels: float32 (n, {size}, {size}, 3), RGB, 0…255"


def test_a_saved_model_is_run_by_tensorflow_alone(tmp_path: Path) -> None:
    """In a process that imports neither Keras nor Jobyard."""
    model = made("compact", 48, 3)
    path, facts = exported(model, tmp_path, "savedmodel")
    np.save(tmp_path / "pixels.npy", photographs(5, 48))
    code = (
        "import sys, zipfile, numpy as np, tensorflow as tf\n"
        "zipfile.ZipFile(sys.argv[1]).extractall('.')\n"
        "serve = tf.saved_model.load('pets/3').signatures['serving_default']\n"
        "found = serve(pixels=tf.constant(np.load('pixels.npy')))\n"
        "np.savez('found.npz', **{name: value.numpy() for name, value in found.items()})\n"
        "assert not [name for name in sys.modules if name.startswith('jobyard')]"
    )
    subprocess.run(
        [sys.executable, "-P", "-c", code, str(path)], cwd=tmp_path, check=True, capture_output=True
    )
    with np.load(tmp_path / "found.npz") as found:
        assert list(found) == ["probabilities"]
        wanted = np.asarray(model(photographs(5, 48), training=False))
        assert np.abs(found["probabilities"] - wanted).max() <= 1e-6
    assert facts["largest_difference"] <= 1e-6
    # Each weight is in there once.
    assert path.stat().st_size < 4.5 * model.count_params()


def test_a_network_in_mixed_precision_is_exported_in_float32(tmp_path: Path) -> None:
    model, plain = made("classic", 40, 3, "mixed_bfloat16"), made("classic", 40, 3)
    pixels = photographs(3, 40)
    path, facts = exported(model, tmp_path, "onnx")
    _, _, found = by_onnxruntime(path, pixels)
    assert np.abs(found - np.asarray(plain(pixels, training=False))).max() <= 1e-4
    assert facts["precision"] == "float32"
    # bfloat16 has eight bits.
    assert 1e-4 < facts["largest_difference"] < 0.05
    assert conversion.precision(model) == "mixed_bfloat16"


@pytest.mark.parametrize(("quantize", "share", "bound"), QUANTISED + MORE_QUANTISED * ALL)
def test_a_quantised_file_is_smaller_and_a_little_off(
    tmp_path: Path, quantize: str, share: float, bound: float
) -> None:
    model = centred(made("compact", 48, 3))
    pixels = photographs(4, 48)
    path, facts = exported(model, tmp_path, "tflite", quantize)
    assert path.stat().st_size < share * 4 * model.count_params()
    found = by_litert(path, pixels)[2]
    assert np.abs(found - np.asarray(model(pixels, training=False))).max() < bound
    assert 0 < facts["largest_difference"] < bound


if ALL:

    @pytest.mark.parametrize("name", APPLICATIONS)
    def test_architectures_of_others_give_the_probabilities_of_keras(tmp_path: Path, name: str) -> None:
        keras.utils.set_random_seed(7)
        model = getattr(keras.applications, name)(weights=None, classes=3, input_shape=(64, 64, 3))
        pixels = photographs(3, 64)
        for format_, run in RUNTIMES.items():
            path, _ = exported(model, tmp_path, format_)
            assert np.abs(run(path, pixels)[2] - np.asarray(model(pixels, training=False))).max() <= 1e-4


def network_of(layer: Any) -> Any:
    pixels = keras.Input((32, 32, 3))
    features = keras.layers.GlobalAveragePooling2D()(layer(pixels))
    return keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(features))


def test_layers_of_others_that_the_converters_need_help_with(tmp_path: Path) -> None:
    """An exact GELU, a convolution with groups, constants of a Normalization."""
    layers = [
        keras.layers.Normalization(mean=[110.0, 120, 130], variance=[2_000.0, 3_000, 4_000]),
        keras.layers.Conv2D(8, 3, activation="gelu"),
        keras.layers.Conv2D(8, 3, groups=4),
    ]
    keras.utils.set_random_seed(3)
    model = network_of(keras.Sequential([keras.Input((32, 32, 3)), *layers]))
    pixels = photographs(3, 32)
    wanted = np.asarray(model(pixels, training=False))
    for format_, run in RUNTIMES.items():
        path, _ = exported(model, tmp_path, format_)
        assert np.abs(run(path, pixels)[2] - wanted).max() <= 1e-4


def test_what_a_normalization_was_adapted_to_is_exported_in_float32_too(tmp_path: Path) -> None:
    normalization = keras.layers.Normalization()
    normalization.adapt(np.array([[[[60.0, 70, 80]]], [[[140.0, 130, 120]]]]))
    keras.utils.set_random_seed(3)
    convolution = keras.layers.Conv2D(8, 3, activation="relu", dtype="mixed_bfloat16")
    model = network_of(keras.Sequential([keras.Input((32, 32, 3)), normalization, convolution]))
    pixels = photographs(3, 32)
    path, facts = exported(model, tmp_path, "onnx")
    assert np.abs(by_onnxruntime(path, pixels)[2] - np.asarray(model(pixels, training=False))).max() < 0.01
    assert facts["largest_difference"] < 0.01


@pytest.fixture
def resized() -> Any:
    """A network that begins with an antialiased resize, for which TensorFlow alone has an operation."""
    return network_of(keras.layers.Resizing(16, 16, antialias=True))


@pytest.mark.parametrize(("format_", "name"), [("onnx", "ONNX"), ("tflite", "TFLite")])
def test_what_can_not_be_exported_says_why(tmp_path: Path, resized: Any, format_: str, name: str) -> None:
    with pytest.raises(Exception, match="ScaleAndTranslate") as caught:
        exported(resized, tmp_path, format_)
    why = caught.value.message if isinstance(caught.value, WorkError) else cause(caught.value)
    assert why == f"{name} has nothing for TensorFlow's ScaleAndTranslate"


def test_a_file_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    path, _ = exported(made("classic", 40, 3), tmp_path, "tflite")
    other = made("compact", 40, 3)
    task = Task("", "", ["a", "b", "c"], 40, "pets", 3, "tflite", "none", str(path))
    with pytest.raises(
        WorkError, match=r"probabilities differ from the model's by 0\.\d+: should be at most"
    ):
        checks.compare(other, other, path, task)
    wider = made("compact", 40, 4)
    with pytest.raises(WorkError, match=r"gives an array \(6, 3\): should be \(6, 4\)"):
        checks.compare(wider, wider, path, task)


def test_a_network_that_gives_no_numbers_is_refused(tmp_path: Path) -> None:
    model = made("classic", 40, 3)
    model.layers[-1].set_weights([np.full(one.shape, np.nan) for one in model.layers[-1].get_weights()])
    with pytest.raises(WorkError, match="the model's probabilities are no numbers"):
        exported(model, tmp_path, "tflite")


def test_a_quantised_file_that_gives_no_numbers_is_refused(tmp_path: Path) -> None:
    """Of weights and an epsilon that are 0 in float16 a normalization makes 0 / 0."""
    small = keras.layers.Conv2D(8, 5, kernel_initializer=keras.initializers.Constant(1e-8))
    normalization = keras.layers.LayerNormalization(epsilon=1e-12)
    model = network_of(keras.Sequential([keras.Input((32, 32, 3)), small, normalization]))
    with pytest.raises(
        WorkError,
        match=r"the exported file's probabilities are no numbers .*: quantize should not be float16",
    ):
        exported(model, tmp_path, "tflite", "float16")
