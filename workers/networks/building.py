"""The networks by name."""

from typing import Any

import keras

from jobyard.shared.kinds.networks import PRETRAINED
from jobyard.workers.networks import custom
from jobyard.workers.networks.architecture.fitting import Fitted
from jobyard.workers.networks.classic import classic
from jobyard.workers.networks.compact import compact
from jobyard.workers.networks.efficientnet import efficientnet_lite0
from jobyard.workers.networks.normalisation import FusedBatchNormalization
from jobyard.workers.networks.outputs import head

NETWORKS = {"compact": compact, "classic": classic, "efficientnet-lite0": efficientnet_lite0}


def build(
    network: str,
    image_size: int,
    classes: int,
    precision: str,
    *,
    for_training: bool = False,
    fitted: Fitted | None = None,
) -> Any:
    """An uncompiled keras.Model: pixels (n, image_size, image_size, 3) of 0…255 to probabilities.

    The output is (n, 1), the probability of the second class, for two classes, else (n, classes).
    `precision` is the name of a Keras dtype policy; the input's scaling and the last layer, and so the
    loss, are float32 in any case. `for_training` computes the same faster, with layers that only this
    program knows: such a model is not to be saved. Its weights are those of the other, in the same order.
    `fitted` is the architecture of a network that is not of this program.
    """
    if fitted is not None:
        return custom.build(fitted, precision)
    normalisation = FusedBatchNormalization if for_training else keras.layers.BatchNormalization
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    features = NETWORKS[network](pixels, keras.DTypePolicy(precision), normalisation)
    # Features that mean something already need no random beginning.
    initializer = "zeros" if network in PRETRAINED else "glorot_uniform"
    return keras.Model(pixels, head(classes, initializer)(features), name=network)
