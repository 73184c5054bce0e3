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
from typing import IO, Any

import keras
import numpy as np
import tensorflow as tf
from numpy.lib import format as npy
from numpy.typing import NDArray

from jobyard.shared.kinds.train import Augment
from jobyard.workers.datasets import array_cache, pixels
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


class RowWriter:
    """Writes an array (rows, width) of float32 as a file `.npy`, its rows in any order.

    On a full disk that raises OSError; a memory map would kill the process. `left` are the bytes to come.
    """

    def __init__(self, file: IO[bytes], rows: int, width: int) -> None:
        descr = npy.dtype_to_descr(np.dtype(np.float32))
        header = {"descr": descr, "fortran_order": False, "shape": (rows, width)}
        npy.write_array_header_1_0(file, header)
        self._file = file
        self._start = file.tell()
        self.left = rows * width * 4

    def write(self, indices: NDArray[np.int64], features: Floats) -> None:
        for index, row in zip(indices, features, strict=True):
            self._file.seek(self._start + int(index) * row.nbytes)
            self._file.write(row.tobytes())
        self.left -= features.nbytes


class Extractor:
    """Computes features by `model`, pixels to (n, f), or finds them in the folder `cache`.

    `identity` says what the model's weights are, in which precision it computes, and which pictures these
    are. A batch has the same pictures each time, so that features are the same to the last bit, however often
    the work was interrupted; it continues with the chunk that was not complete.
    """

    def __init__(self, model: Any, identity: str, cache: Path, workdir: Path, progress: Progress) -> None:
        self._identity = f"{VERSION}\n{pixels.DECODER}\n{identity}"
        self._cache = cache
        self._workdir = workdir
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

        They are gathered in two files of `workdir`, which has the cache's disk: as many open files as chunks
        would be more than a process may have. Raises WorkError or DiskFull where the disk is too small.
        """
        self._done, self._total = 0, len(train) * views + len(held_out)
        self._progress.update(0, self._total, "pictures")
        of_train = self._gathered("train", train, augment, seed, views)
        of_held_out = self._gathered("held-out", held_out, augment, seed, 1)
        return Features(
            FeatureSource(of_train, np.tile(train.labels, views)),
            FeatureSource(of_held_out, held_out.labels),
        )

    def _gathered(self, part: str, pictures: Pictures, augment: Augment, seed: int, views: int) -> Floats:
        """The features (views · n, f): a view after the other, each in the order of the pictures."""
        source = PictureSource(pictures, augment)
        path = self._workdir / f"{part}-features.npy"
        with path.open("wb") as file:
            rows = RowWriter(file, views * len(pictures), self._width)
            self._make_room(0, rows.left)
            self._gather(pictures, source.plain, None, rows, 0)
            for view in range(1, views):
                changes = source.draw(np.random.default_rng((seed, view, len(pictures))))
                self._gather(
                    pictures, partial(_changed, source, changes), changes, rows, view * len(pictures)
                )
        gathered: Floats = np.load(path, mmap_mode="r")
        return gathered

    def _gather(
        self,
        pictures: Pictures,
        read: Read,
        changes: NDArray[Any] | None,
        rows: "RowWriter",
        first: int,
    ) -> None:
        """Write the features of all pictures from row `first` on; a chunk has pictures whose names follow."""
        names = pictures.names
        order = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
        for start in range(0, len(order), CHUNK):
            indices = order[start : start + CHUNK]
            parts = [self._identity, *(names[index] for index in indices)]
            digest = hashlib.sha256("\n".join(parts).encode(errors="surrogateescape"))
            if changes is not None:
                digest.update(changes[indices].tobytes())
            entry = self._cache / f"{digest.hexdigest()}-features.npy"
            rows.write(first + indices, self._chunk(entry, indices, read, rows.left))

    def _chunk(self, entry: Path, indices: NDArray[np.int64], read: Read, beside: int) -> Floats:
        """The features of some pictures; `beside` more bytes are still to be written to the disk."""
        shape = (len(indices), self._width)
        kept = array_cache.read(entry, shape, np.float32)
        if kept is not None:
            self._advance(len(indices))
            return kept
        self._make_room(4 * shape[0] * shape[1], beside)
        computed = self._computed(indices, read)
        self._write(computed)
        self._draft.replace(entry)
        return computed

    def _computed(self, indices: NDArray[np.int64], read: Read) -> Floats:
        found = np.empty((len(indices), self._width), np.float32)
        for start in range(0, len(indices), self._batch):
            batch = indices[start : start + self._batch]
            found[start : start + len(batch)] = self._compute(tf.constant(read(batch)))
            self._advance(len(batch))
        return found

    def _make_room(self, needed: int, beside: int) -> None:
        array_cache.make_room(self._cache, needed, beside)
        array_cache.refuse_full_disk(self._cache, needed + beside, "the features", lower="views")

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
