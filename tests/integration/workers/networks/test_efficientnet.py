"""EfficientNet-Lite0 with its pretrained weights, against the same network written down in NumPy."""

import hashlib
import pickle
from collections import OrderedDict
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from jobyard.shared.errors import WorkError
from jobyard.workers.networks import backbones, building, efficientnet

# kernel, strides, expansion and filters of each block (EfficientNet, table 1).
BLOCKS = [
    (3, 1, 1, 16),
    *[(3, 2, 6, 24), (3, 1, 6, 24)],
    *[(5, 2, 6, 40), (5, 1, 6, 40)],
    *[(3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80)],
    *[(5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112)],
    *[(5, 2, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192)],
    (3, 1, 6, 320),
]


class _Trusted(pickle.Unpickler):
    """The package's own file, whose SHA-256 is known, read in another way than the program does."""

    def find_class(self, module: str, name: str) -> Any:
        return {"OrderedDict": OrderedDict, "_rebuild_tensor_v2": lambda *parts: parts}.get(name, name)

    def persistent_load(self, described: Any) -> Any:
        return described[1:3]


def reference_tensors() -> dict[str, np.ndarray]:
    package = backbones.PACKAGES["efficientnet-lite0"]
    path = Path(str(metadata.distribution(package.distribution).locate_file(package.file)))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == package.sha256
    with path.open("rb") as file:
        _, _, _, described, keys = (_Trusted(file).load() for _ in range(5))
        types = {storage[1]: storage[0] for storage, *_ in described.values()}
        bytes_of = {}
        for key in keys:
            length = int(np.frombuffer(file.read(8), np.int64)[0])
            bytes_of[key] = file.read(length * (4 if types[key] == "FloatStorage" else 8))
    return {
        name: np.ndarray(shape, np.float32, bytes_of[key], 4 * offset, [4 * stride for stride in strides])
        for name, ((kind, key), offset, shape, strides, *_) in described.items()
        if kind == "FloatStorage"
    }


def reference_features(pixels: np.ndarray, tensors: dict[str, np.ndarray]) -> np.ndarray:
    """In float64, layer by layer as the paper has them, normalisation for itself."""

    def convolved(x: np.ndarray, name: str, strides: int = 1) -> np.ndarray:
        kernel = tensors[f"{name}.weight"].astype(np.float64)
        depthwise, size = kernel.shape[1] == 1, kernel.shape[-1]
        out = -(-x.shape[1] // strides)
        # TensorFlow's "same": the odd row or column of padding comes last.
        padding = max((out - 1) * strides + size - x.shape[1], 0)
        before, after = padding // 2, padding - padding // 2
        x = np.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
        total = 0.0
        for row in range(size):
            for column in range(size):
                seen = x[:, row : row + (out - 1) * strides + 1 : strides]
                seen = seen[:, :, column : column + (out - 1) * strides + 1 : strides]
                here = kernel[:, :, row, column]
                total = total + (seen * here[:, 0] if depthwise else seen @ here.T)
        return np.asarray(total)

    def normalised(x: np.ndarray, name: str) -> np.ndarray:
        scale, offset, mean, variance = (
            tensors[f"{name}.{what}"].astype(np.float64)
            for what in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * scale + offset

    def relu6(x: np.ndarray) -> np.ndarray:
        return np.clip(x, 0, 6)

    x = (pixels.astype(np.float64) - 127) / 128
    x = relu6(normalised(convolved(x, "_conv_stem", 2), "_bn0"))
    for number, (_, strides, expansion, _) in enumerate(BLOCKS):
        name, before = f"_blocks.{number}", x
        if expansion > 1:
            x = relu6(normalised(convolved(x, f"{name}._expand_conv"), f"{name}._bn0"))
        x = relu6(normalised(convolved(x, f"{name}._depthwise_conv", strides), f"{name}._bn1"))
        x = normalised(convolved(x, f"{name}._project_conv"), f"{name}._bn2")
        if x.shape == before.shape:
            x = x + before
    x = relu6(normalised(convolved(x, "_conv_head"), "_bn1"))
    return x.mean(axis=(1, 2))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> backbones.Backbone:
    found = backbones.find("efficientnet-lite0", tmp_path_factory.mktemp("backbones"))
    assert found is not None
    return found


def pretrained(backbone: backbones.Backbone, size: int, classes: int = 2, precision: str = "float32") -> Any:
    model = building.build("efficientnet-lite0", size, classes, precision)
    backbone.load_into(model, backbone.path.parent)
    return model


@pytest.mark.parametrize("size", [64, 75])
def test_features_are_those_of_the_paper_s_network(backbone: backbones.Backbone, size: int) -> None:
    model = pretrained(backbone, size)
    features = keras.Model(model.input, model.get_layer(efficientnet.FEATURES).output)
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.float32)
    pixels[1] = np.linspace(0, 255, size)[:, None, None]

    wanted = reference_features(pixels, reference_tensors())

    assert np.ptp(wanted) > 1
    np.testing.assert_allclose(features(pixels), wanted, rtol=0, atol=1e-4)


def test_weights_are_converted_once(tmp_path: Path) -> None:
    package = backbones.PACKAGES["efficientnet-lite0"]
    first = backbones.find("efficientnet-lite0", tmp_path)
    assert first is not None
    written = first.path.stat()

    again = backbones.find("efficientnet-lite0", tmp_path)

    assert again == first
    assert (first.path.stat().st_mtime_ns, first.path.stat().st_ino) == (written.st_mtime_ns, written.st_ino)
    assert (first.name, first.sha256) == ("efficientnet-lite0-57934424.pth", package.sha256)
    assert [path.name for path in tmp_path.iterdir()] == [first.path.name]
    assert backbones.find("compact", tmp_path) is None


def test_another_file_in_the_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = backbones.PACKAGES["efficientnet-lite0"]
    other = backbones.Package(package.distribution, package.file, "0" * 64)
    monkeypatch.setitem(backbones.PACKAGES, "efficientnet-lite0", other)

    with pytest.raises(WorkError, match="SHA-256 should be 0000"):
        backbones.find("efficientnet-lite0", tmp_path)
    monkeypatch.setitem(
        backbones.PACKAGES, "efficientnet-lite0", backbones.Package("no-such-package", "file", "")
    )
    with pytest.raises(WorkError, match="install no-such-package, or name a file in JOBYARD_BACKBONE"):
        backbones.find("efficientnet-lite0", tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_weights_of_any_saved_model_can_be_the_backbone(
    backbone: backbones.Backbone, tmp_path: Path
) -> None:
    saved = pretrained(backbone, 32, classes=5)
    layer = saved.get_layer("block_3_depthwise_convolution")
    layer.set_weights([2 * weight for weight in layer.get_weights()])
    own = tmp_path / "own.weights.h5"
    saved.save_weights(own)

    found = backbones.find("efficientnet-lite0", tmp_path / "cache", own)
    assert found is not None
    model = pretrained(found, 64)

    assert (found.name, found.sha256) == (own.name, hashlib.sha256(own.read_bytes()).hexdigest())
    for mine, theirs in zip(model.weights[:-2], saved.weights[:-2], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    with pytest.raises(WorkError, match=r"missing\.weights\.h5 can't be read"):
        backbones.find("efficientnet-lite0", tmp_path, tmp_path / "missing.weights.h5")


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_saved_model_needs_only_keras(
    backbone: backbones.Backbone, tmp_path: Path, classes: int, precision: str
) -> None:
    model = pretrained(backbone, 32, classes, precision)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)

    assert {type(layer).__module__.split(".")[0] for layer in loaded.layers} == {"keras"}
    np.testing.assert_array_equal(loaded(pixels), model(pixels))
    assert model.output_shape == (None, 1 if classes == 2 else classes)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32", precision}
