"""The last layer, and how to read what it puts out."""

from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from jobyard.workers.networks.classifier import classifier


def head(classes: int, initializer: str = "glorot_uniform") -> Any:
    """The layer that turns features (n, f) into probabilities: (n, 1) for two classes, else (n, classes)."""
    units, activation, name = classifier(classes)
    return keras.layers.Dense(
        units, activation=activation, kernel_initializer=initializer, name=name, dtype="float32"
    )


def class_probabilities(outputs: ArrayLike) -> NDArray[np.float64]:
    """Outputs (n, 1) or (n, classes) of a network as probabilities (n, classes), in order of the classes."""
    outputs = np.asarray(outputs, dtype=np.float64)
    return np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs
