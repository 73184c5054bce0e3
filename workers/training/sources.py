"""What the batches of a training are read from: pictures, or the features that a backbone makes of them."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jobyard.shared.kinds.train import Augment
from jobyard.workers.training import augment as augmenting
from jobyard.workers.training.data import Pictures

Floats = NDArray[np.float32]


class Source(Protocol):
    """Examples with labels (n,) int32; each an array float32 of the given shape."""

    labels: NDArray[np.int32]
    shape: tuple[int, ...]

    def draw(self, random: np.random.Generator) -> NDArray[Any]:
        """The random changes of one pass over all examples, (n, …)."""

    def changed(self, indices: NDArray[np.int64], changes: NDArray[Any]) -> Floats:
        """The examples (b,) as they are trained on, each with its change."""

    def plain(self, indices: NDArray[np.int64]) -> Floats:
        """The examples (b,) as they are validated."""


class PictureSource:
    """Pictures, with the changes that `augment` allows."""

    def __init__(self, pictures: Pictures, augment: Augment) -> None:
        self.labels = pictures.labels
        self.shape: tuple[int, ...] = (pictures.size, pictures.size, 3)
        self._pictures = pictures
        self._augment = augment

    def draw(self, random: np.random.Generator) -> NDArray[Any]:
        return augmenting.draw(random, len(self.labels), self._augment, self._pictures.size)

    def changed(self, indices: NDArray[np.int64], changes: NDArray[Any]) -> Floats:
        return augmenting.change(self._pictures.pixels[indices], self._augment, changes)

    def plain(self, indices: NDArray[np.int64]) -> Floats:
        return self._pictures.pixels[indices].astype(np.float32)


class FeatureSource:
    """Features (n, f) of pictures, some of which were changed before; nothing more is changed."""

    def __init__(self, features: Floats, labels: NDArray[np.int32]) -> None:
        self.labels = labels
        self.shape = features.shape[1:]
        self._features = features

    def draw(self, random: np.random.Generator) -> NDArray[Any]:
        return np.empty((len(self.labels), 0))

    def changed(self, indices: NDArray[np.int64], changes: NDArray[Any]) -> Floats:
        return self.plain(indices)

    def plain(self, indices: NDArray[np.int64]) -> Floats:
        return np.asarray(self._features[indices])
