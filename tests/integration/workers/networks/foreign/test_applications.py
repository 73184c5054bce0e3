"""Foreign models that nobody here wrote: those of keras.applications predict what they did, to the last bit.

`make architectures` tries them; without ARCHITECTURES none is.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.applications import SCALES_ITSELF, SIZES, chosen
from tests.integration.workers.networks.foreign.registering import register

CLASSES = [f"c{number}" for number in range(1_000)]

if CHOSEN := chosen():

    @pytest.mark.parametrize("name", CHOSEN)
    def test_the_file_that_is_kept_predicts_what_an_application_of_keras_does(
        tmp_path: Path, name: str
    ) -> None:
        size = SIZES[name]
        pixels = np.random.default_rng(1).integers(0, 256, (3, size, size, 3)).astype(np.float32)
        scaled = pixels if name in SCALES_ITSELF else keras.layers.Rescaling(1 / 127.5, -1)(pixels)
        network = made(name, scaled)
        kept, found = register(network, tmp_path, CLASSES, rescale="-1..1")
        foreign = keras.models.load_model(tmp_path / "upload.keras", compile=False)

        ours = outputs(kept, pixels)
        np.testing.assert_array_equal(ours, outputs(foreign, scaled))
        np.testing.assert_array_equal(ours, outputs(network, scaled))
        assert np.ptp(ours, axis=0).max() > 0, "it depends on the pictures"
        assert found["source"]["parameters"] == network.count_params()
        assert found["outputs"] == "softmax"


def made(name: str, pixels: Any) -> Any:
    """With random weights, and the statistics of these pixels: else little would pass its normalisations."""
    keras.utils.set_random_seed(3)
    network = getattr(keras.applications, name)(weights=None, input_shape=pixels.shape[1:])
    normalisations = [one for one in network.layers if isinstance(one, keras.layers.BatchNormalization)]
    momenta = [one.momentum for one in normalisations]
    for one in normalisations:
        one.momentum = 0
    network(pixels, training=True)
    for one, momentum in zip(normalisations, momenta, strict=True):
        one.momentum = momentum
    return network


def outputs(network: Any, pixels: Any) -> Any:
    return np.asarray(network(pixels, training=False))
