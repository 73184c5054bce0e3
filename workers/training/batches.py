"""The streams of batches that a training and its validations read."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from jobyard.workers.training.sources import Source

Batch = tuple[NDArray[np.float32], NDArray[np.int32]]


def steps_of(count: int, batch_size: int, steps: int | None) -> int:
    """Batches in an epoch: as asked for, or all of `count` examples once, the last batch being smaller."""
    return steps or -(-count // batch_size)


def training_batches(
    source: Source, batch_size: int, steps_per_epoch: int | None, seed: int, first: int = 0
) -> Any:
    """The endless tf.data stream of (examples float32 (b, …), labels int32 (b,)).

    It begins with the batch number `first`, counted from 0 over all epochs.

    Every pass over the examples has an order and changes of its own, drawn from (seed, pass): a batch
    depends on its number only. Without `steps_per_epoch` a batch ends where the pass ends; with it the
    passes follow each other without a seam, and every batch is full.
    """
    count = len(source.labels)

    @lru_cache(maxsize=4)  # neighbouring batches are read at the same time
    def drawn(turn: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
        random = np.random.default_rng((seed, turn))
        return random.permutation(count), source.draw(random)

    def span(step: int) -> tuple[int, int]:
        if steps_per_epoch is not None:
            return step * batch_size, (step + 1) * batch_size
        turn, batch = divmod(step, steps_of(count, batch_size, None))
        start = turn * count + batch * batch_size
        return start, min(start + batch_size, (turn + 1) * count)

    def read(step: int) -> Batch:
        start, stop = span(int(step))
        chosen, changes = [], []
        for turn in range(start // count, (stop - 1) // count + 1):
            order, changes_of_turn = drawn(turn)
            part = slice(max(start - turn * count, 0), stop - turn * count)
            chosen.append(order[part])
            changes.append(changes_of_turn[part])
        indices = np.concatenate(chosen)
        return source.changed(indices, np.concatenate(changes)), source.labels[indices]

    return _stream(read, first, np.iinfo(np.int64).max, source.shape)


def validation_batches(source: Source, batch_size: int, steps: int | None, first: int = 0) -> Any:
    """The tf.data stream of one validation, always the same: (examples float32, labels int32) as they are.

    All examples once, or `steps` full batches, of repeated examples if need be; from the batch number
    `first` on.
    """
    count = len(source.labels)

    def read(step: int) -> Batch:
        start, stop = int(step) * batch_size, (int(step) + 1) * batch_size
        indices = np.arange(start, stop) % count if steps else np.arange(start, min(stop, count))
        return source.plain(indices), source.labels[indices]

    return _stream(read, first, steps_of(count, batch_size, steps), source.shape)


def _stream(read: Callable[[int], Batch], first: int, stop: int, shape: tuple[int, ...]) -> Any:
    def load(step: Any) -> tuple[Any, Any]:
        examples, labels = tf.numpy_function(read, [step], [tf.float32, tf.int32])
        examples.set_shape((None, *shape))
        labels.set_shape((None,))
        return examples, labels

    return tf.data.Dataset.range(first, stop).map(load, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
