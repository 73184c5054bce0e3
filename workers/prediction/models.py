"""Models as they are kept in memory between jobs."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from jobyard.workers.networks import model_file
from jobyard.workers.networks.outputs import class_probabilities
from jobyard.workers.training.devices import share_gpus


@dataclass(frozen=True)
class LoadedModel:
    """A model with what belongs to it. `function` maps uint8 pixels (n, size, size, 3) to Keras' outputs."""

    sha256: str
    classes: list[str]
    image_size: int
    network: Any
    function: Any

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Pixels (n, image_size, image_size, 3) of 0…255 to (n, classes), in order of `classes`."""
        return class_probabilities(self.function(pixels))


class ModelCache:
    """The most recently used models, by the SHA-256 of their files. For one thread."""

    def __init__(self, size: int = 4) -> None:
        self._size = size
        self._models: OrderedDict[str, LoadedModel] = OrderedDict()

    def __len__(self) -> int:
        return len(self._models)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._models

    def get(self, path: Path, sha256: str, classes: list[str], image_size: int) -> LoadedModel:
        """The model of that SHA-256, read from `path` if it is not in memory.

        Raises WorkError if the file is another one, is not a .keras file, or does not fit its record.
        """
        model = self._models.get(sha256) or _prepare(path, sha256, classes, image_size)
        self._models[sha256] = model
        self._models.move_to_end(sha256)
        while len(self._models) > self._size:
            self._models.popitem(last=False)
        return model


def _prepare(path: Path, sha256: str, classes: list[str], image_size: int) -> LoadedModel:
    share_gpus()
    network = model_file.load(path, sha256, classes, image_size)
    # One graph for batches of any length: `model.predict` would trace again for the last, shorter one.
    shape = tf.TensorSpec((None, image_size, image_size, 3), tf.uint8)
    function = tf.function(lambda pixels: network(tf.cast(pixels, tf.float32), training=False), [shape])
    return LoadedModel(sha256, classes, image_size, network, function)
