"""What a frozen backbone makes of the pictures: computed once, and kept on this machine.

The features of some augmented views stand for the random changes of pictures: a network whose backbone is not
trained would compute the same again in every epoch.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from jobyard.shared.kinds.train import Augment
from jobyard.workers.datasets import array_cache
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.training.data import Pictures
from jobyard.workers.training.sources import FeatureSource, PictureSource

# Part of an entry's name: raise the number when the same pictures and weights would give other features.
VERSION = f"1, TensorFlow {tf.__version__}, Keras {keras.__version__}"

# Pictures in one file: what a process that is killed loses at most, some seconds of work.
CHUNK = 512
# Pixels in one batch: some tenths of a second, after which the work can be interrupted.
BATCH_PIXELS = 32 * 160 * 160

Floats = NDArray[np.float32]
Read = Callable[[NDArray[np.int64]], Floats]


@dataclass(frozen=True)
class Features:
    """The features of the training pictures, of each in some views, and of those that validate."""

    train: FeatureSource
    held_out: FeatureSource


class Rows:
    """Arrays (m, f) on disk as one: an index reads the rows that it names, in their order."""

    def __init__(self, chunks: list[Floats]) -> None:
        self._chunks = chunks
        self._ends = np.cumsum([len(chunk) for chunk in chunks])
        self.shape = (int(self._ends[-1]), *chunks[0].shape[1:])

    def __getitem__(self, index: NDArray[np.int64]) -> Floats:
        found = np.empty((len(index), *self.shape[1:]), np.float32)
        numbers = np.searchsorted(self._ends, index, side="right")
        for number in np.unique(numbers):
            chosen = numbers == number
            chunk = self._chunks[number]
            found[chosen] = chunk[index[chosen] - (self._ends[number] - len(chunk))]
        return found


class Extractor:
    """Computes features by `model`, pixels to (n, f), or finds them in the folder `cache`.

    `identity` says what the model's weights are, in which precision it computes, and which pictures these
    are. A batch has the same pictures each time, so that features are the same to the last bit, however often
    the work was interrupted; it continues with the chunk that was not complete.
    """

    def __init__(self, model: Any, identity: str, cache: Path, workdir: Path, progress: Progress) -> None:
        self._identity = f"{VERSION}\n{identity}"
        self._cache = cache
        self._draft = workdir / "features.npy"
        self._progress = progress
        self._width = int(model.output_shape[-1])
        self._batch = max(1, BATCH_PIXELS // model.input_shape[1] ** 2)
        shape = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
        self._compute = tf.function(lambda pixels: model(pixels, training=False), [shape])
        self._done = self._total = 0

    def extract(
        self, train: Pictures, held_out: Pictures, augment: Augment, seed: int, views: int
    ) -> Features:
        """The features of all pictures, and those of `views` - 1 random changes of each training picture.

        Raises WorkError or DiskFull where the disk is too small.
        """
        self._done, self._total = 0, len(train) * views + len(held_out)
        self._progress.update(0, self._total, "pictures")
        source = PictureSource(train, augment)
        chunks, rows = self._chunks(train, source.plain, None)
        for view in range(1, views):
            changes = source.draw(np.random.default_rng((seed, view, len(train))))
            chunks += self._chunks(train, partial(_changed, source, changes), changes)[0]
        # A view after the other, each in the order of the pictures.
        views_of_rows = np.concatenate([rows + view * len(train) for view in range(views)])
        plain, held_out_rows = self._chunks(held_out, PictureSource(held_out, augment).plain, None)
        return Features(
            FeatureSource(Rows(chunks), views_of_rows, np.tile(train.labels, views)),
            FeatureSource(Rows(plain), held_out_rows, held_out.labels),
        )

    def _chunks(
        self, pictures: Pictures, read: Read, changes: NDArray[Any] | None
    ) -> tuple[list[Floats], NDArray[np.int64]]:
        """The features of all pictures in the order of their names, and the row of each picture."""
        names = pictures.names
        order = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
        chunks = []
        for start in range(0, len(order), CHUNK):
            indices = order[start : start + CHUNK]
            parts = [self._identity, *(names[index] for index in indices)]
            digest = hashlib.sha256("\n".join(parts).encode(errors="surrogateescape"))
            if changes is not None:
                digest.update(changes[indices].tobytes())
            chunks.append(self._chunk(self._cache / f"{digest.hexdigest()}-features.npy", indices, read))
        return chunks, np.argsort(order)

    def _chunk(self, entry: Path, indices: NDArray[np.int64], read: Read) -> Floats:
        shape = (len(indices), self._width)
        kept = array_cache.read(entry, shape, np.float32)
        if kept is None:
            array_cache.make_room(self._cache, 4 * shape[0] * shape[1])
            array_cache.refuse_full_disk(self._cache, 4 * shape[0] * shape[1], "the features")
            self._write(self._computed(indices, read))
            self._draft.replace(entry)
            kept = np.load(entry, mmap_mode="r")
        else:
            self._advance(len(indices))
        return kept

    def _computed(self, indices: NDArray[np.int64], read: Read) -> Floats:
        found = np.empty((len(indices), self._width), np.float32)
        for start in range(0, len(indices), self._batch):
            batch = indices[start : start + self._batch]
            found[start : start + len(batch)] = self._compute(tf.constant(read(batch)))
            self._advance(len(batch))
        return found

    def _write(self, features: Floats) -> None:
        with self._draft.open("wb") as file:
            np.save(file, features)
            file.flush()
            os.fsync(file.fileno())  # before it gets its name: after a power cut that should not name zeros

    def _advance(self, pictures: int) -> None:
        self._done += pictures
        self._progress.update(self._done, self._total, "pictures")


def _changed(source: PictureSource, changes: NDArray[Any], indices: NDArray[np.int64]) -> Floats:
    return source.changed(indices, changes[indices])
