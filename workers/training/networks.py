"""The networks by name, and how to read what they put out."""

from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray


def build(network: str, image_size: int, classes: int, precision: str) -> Any:
    """An uncompiled keras.Model: pixels (n, image_size, image_size, 3) of 0…255 to probabilities.

    The output is (n, 1), the probability of the second class, for two classes, else (n, classes).
    `precision` is the name of a Keras dtype policy; the input's scaling and the last layer, and so the
    loss, are float32 in any case.
    """
    layers = _NETWORKS[network](keras.DTypePolicy(precision))
    return keras.Sequential(
        [
            keras.Input((image_size, image_size, 3), name="pixels"),
            keras.layers.Rescaling(1 / 255, name="rescaling", dtype="float32"),
            *layers,
            _head(classes),
        ],
        name=network,
    )


def class_probabilities(outputs: ArrayLike) -> NDArray[np.float64]:
    """Outputs (n, 1) or (n, classes) of a network as probabilities (n, classes), in order of the classes."""
    outputs = np.asarray(outputs, dtype=np.float64)
    return np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs


def _head(classes: int) -> Any:
    if classes == 2:
        return keras.layers.Dense(1, activation="sigmoid", name="probability", dtype="float32")
    return keras.layers.Dense(classes, activation="softmax", name="probabilities", dtype="float32")


def _classic(dtype: Any) -> list[Any]:
    layers: list[Any] = []
    for filters in (32, 64, 128):
        layers += [
            keras.layers.Conv2D(filters, 3, activation="relu", name=f"convolution_{filters}", dtype=dtype),
            keras.layers.MaxPooling2D(2, name=f"pooling_{filters}", dtype=dtype),
        ]
    return [
        *layers,
        keras.layers.Flatten(name="flatten", dtype=dtype),
        keras.layers.Dense(512, activation="relu", name="dense", dtype=dtype),
    ]


_NETWORKS = {"classic": _classic}
