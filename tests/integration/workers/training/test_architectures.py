"""Architectures that nobody here wrote: those of keras.applications, checked, trained, killed and resumed.

`make architectures` takes all of SIZES; ARCHITECTURES names some of them. Without it one is trained and not
killed: that a network of somebody's own is resumed to the bit, test_custom shows with a small one.
"""

import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.networks.architecture import check, parse
from jobyard.workers.prediction.models import ModelCache
from jobyard.workers.training.fit import train
from tests.applications import SIZES, chosen
from tests.factories import draw_colours
from tests.integration.workers.training.resumable import (
    Folder,
    Telling,
    Upserts,
    assert_same,
    in_a_process,
    run,
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 pictures to train, 4 to validate."""
    return draw_colours(tmp_path_factory.mktemp("data"), ["red", "blue"], train=6, validation=2)


@pytest.mark.parametrize("name", chosen("MobileNet"))
def test_an_application_of_keras_is_trained_killed_and_resumed(
    pictures: Path, tmp_path: Path, name: str
) -> None:
    size = SIZES[name]
    keras.utils.set_random_seed(3)
    original = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    document = tmp_path / "net.json"
    document.write_text(original.to_json())
    checked = check(parse(document.read_bytes()))
    assert (checked.parameters, checked.output_shape) == (original.count_params(), (1000,))

    spec = TrainSpec.model_validate(
        {
            "dataset": "drawn",
            "network": "custom",
            "architecture": "00000000-0000-0000-0000-000000000000",
            "epochs": 3,
            "batch_size": 6,
            "precision": "float32",
        }
    )
    options = {"architecture": parse(document.read_bytes())}
    whole = run(spec, pictures, tmp_path / "whole", Upserts(), **options)
    if "ARCHITECTURES" in os.environ:
        kept, progress = Folder(tmp_path / "kept"), Upserts()
        assert killed(spec, pictures, tmp_path / "killed", kept, document) == -signal.SIGKILL
        resumed = run(spec, pictures, tmp_path / "resumed", progress, kept, **options)
        assert progress.phases[0].startswith("resuming after epoch")
        assert_same(resumed, whole)
    assert whole.training.image_size == size

    path, classes = whole.training.model_path, whole.training.classes
    pixels = np.random.default_rng(1).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    ours = ModelCache().get(path, whole.training.sha256, classes, size).probabilities(pixels)
    saved = keras.models.load_model(path, compile=False)
    theirs = saved.predict(pixels.astype("float32"), verbose=0)
    np.testing.assert_array_equal(ours[:, 1], theirs[:, 0].astype("float64"))

    # All but the head are Keras' own layers, with the trained weights.
    head = saved.layers[-1]
    weights = saved.get_weights()[: -len(head.weights)]
    for layer, weight in zip(original.weights, weights, strict=False):
        layer.assign(weight)
    scaled = pixels / np.float32(255) if checked.scaling is None else pixels.astype("float32")
    before = next(
        one for one in reversed(original.layers) if len(one.weights) and one.output.shape[-1] == 1000
    )
    features = np.asarray(keras.Model(original.input, before.input)(scaled, training=False))
    features = features.mean(axis=(1, 2)) if features.ndim == 4 else features
    logits = features @ np.asarray(head.kernel) + np.asarray(head.bias)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), theirs, atol=1e-6)


def killed(spec: TrainSpec, dataset: Path, workdir: Path, kept: Folder, document: Path) -> int | None:
    """A training in a process of its own, killed after its first checkpoint; its exit status."""
    workdir.mkdir()
    told = (spec.model_dump_json(), dataset, workdir, kept.path, document)
    with in_a_process(__file__, *told) as child:
        assert child.stdout is not None
        for _ in child.stdout:
            if kept.load() is not None:
                break
    return child.returncode


if __name__ == "__main__":
    _spec, *_paths = sys.argv[1:]
    _dataset, _workdir, _kept, _document = map(Path, _paths)
    train(
        TrainSpec.model_validate_json(_spec),
        _dataset,
        _workdir,
        Telling(seconds=0.5),
        Folder(_kept),
        checkpoint_seconds=0,
        architecture=parse(_document.read_bytes()),
    )
