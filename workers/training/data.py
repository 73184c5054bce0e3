"""Pictures decoded once to disk, and the streams of batches read from there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from jobyard.shared.kinds.train import Augment
from jobyard.workers.datasets.pixels import decode_once, place_of
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.training import augment as augmenting
from jobyard.workers.training.splits import DatasetSplit, Example

Batch = tuple[NDArray[np.float32], NDArray[np.int32]]


class PixelRows:
    """Some pictures of an array on disk, (n, size, size, 3) uint8: an index reads those that it names."""

    def __init__(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        self._pixels = pixels
        self._rows = rows
        self.shape = (len(rows), *pixels.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        return np.asarray(self._pixels[self._rows[index]])


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures: pixels (n, size, size, 3) uint8, on disk, and labels (n,) int32.

    `names` are their places in the data set, "validation/cats/1.jpg".
    """

    pixels: PixelRows | NDArray[np.uint8]
    labels: NDArray[np.int32]
    names: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> int:
        """Width and height, in pixels."""
        return int(self.pixels.shape[1])


def decode_all(
    split: DatasetSplit,
    size: int,
    workdir: Path,
    progress: Progress,
    cache: Path | None = None,
    version: str = "",
) -> tuple[Pictures, Pictures, Pictures]:
    """The split's pictures, decoded: (train, validation, test).

    They come from the folder `cache`, or are decoded to `workdir/pictures.npy`, which moves there; see
    `decode_once`. They stay on disk and are read batch by batch, so that they may be larger than the
    memory. Raises WorkError for a file that is not a picture, and where the disk is too small.
    """
    parts = (split.train, split.validation, split.test)
    files = [path for part in parts for path, _ in part]
    decoded = decode_once(files, size, workdir / "pictures.npy", progress, cache, version)

    def pictures(part: list[Example]) -> Pictures:
        names = [place_of(path) for path, _ in part]
        rows = np.array([decoded.rows[name] for name in names], dtype=np.int64)
        labels = np.array([label for _, label in part], dtype=np.int32)
        return Pictures(PixelRows(decoded.pixels, rows), labels, names)

    train, validation, test = map(pictures, parts)
    return train, validation, test


def steps_of(pictures: Pictures, batch_size: int, steps: int | None) -> int:
    """Batches in an epoch: as asked for, or all pictures once, the last batch being smaller."""
    return steps or -(-len(pictures) // batch_size)


def training_batches(
    pictures: Pictures,
    batch_size: int,
    steps_per_epoch: int | None,
    augment: Augment,
    seed: int,
    first: int = 0,
) -> Any:
    """The endless tf.data stream of (pixels float32 (b, size, size, 3), labels int32 (b,)).

    It begins with the batch number `first`, counted from 0 over all epochs.

    Every pass over the pictures has an order and changes of its own, drawn from (seed, pass): a batch
    depends on its number only. Without `steps_per_epoch` a batch ends where the pass ends; with it the
    passes follow each other without a seam, and every batch is full.
    """
    count = len(pictures)

    @lru_cache(maxsize=4)  # neighbouring batches are read at the same time
    def drawn(turn: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        random = np.random.default_rng((seed, turn))
        return random.permutation(count), augmenting.draw(random, count, augment, pictures.size)

    def span(step: int) -> tuple[int, int]:
        if steps_per_epoch is not None:
            return step * batch_size, (step + 1) * batch_size
        turn, batch = divmod(step, steps_of(pictures, batch_size, None))
        start = turn * count + batch * batch_size
        return start, min(start + batch_size, (turn + 1) * count)

    def read(step: int) -> Batch:
        start, stop = span(int(step))
        chosen, changes = [], []
        for turn in range(start // count, (stop - 1) // count + 1):
            order, drawn_changes = drawn(turn)
            part = slice(max(start - turn * count, 0), stop - turn * count)
            chosen.append(order[part])
            changes.append(drawn_changes[part])
        indices = np.concatenate(chosen)
        pixels = pictures.pixels[indices]
        changed = augmenting.change(pixels, augment, np.concatenate(changes))
        return changed, pictures.labels[indices]

    return _stream(read, first, np.iinfo(np.int64).max, pictures.size)


def validation_batches(pictures: Pictures, batch_size: int, steps: int | None, first: int = 0) -> Any:
    """The tf.data stream of one validation, always the same: (pixels float32, labels int32) as they are.

    All pictures once, or `steps` full batches, of repeated pictures if need be; from the batch number
    `first` on.
    """

    def read(step: int) -> Batch:
        start, stop = int(step) * batch_size, (int(step) + 1) * batch_size
        indices = (
            np.arange(start, stop) % len(pictures) if steps else np.arange(start, min(stop, len(pictures)))
        )
        return pictures.pixels[indices].astype(np.float32), pictures.labels[indices]

    return _stream(read, first, steps_of(pictures, batch_size, steps), pictures.size)


def _stream(read: Callable[[int], Batch], first: int, stop: int, size: int) -> Any:
    def load(step: Any) -> tuple[Any, Any]:
        pixels, labels = tf.numpy_function(read, [step], [tf.float32, tf.int32])
        pixels.set_shape((None, size, size, 3))
        labels.set_shape((None,))
        return pixels, labels

    return tf.data.Dataset.range(first, stop).map(load, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
