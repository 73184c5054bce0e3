"""Pictures a second: what a job's own work does, against the model's `predict` on tensors in memory, and the
usual tutorial's loop, which loads and predicts one picture at a time.
"""

import functools
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.prediction.photographs import photographs
from benchmarks.table import Row, compare, in_turns
from jobyard.shared.pictures import prepared
from jobyard.workers.networks import building
from jobyard.workers.prediction.models import LoadedModel, ModelCache
from jobyard.workers.prediction.predict import predict
from jobyard.workers.runtime.progress import NoProgress

SIZE = 150
CLASSES = ["cats", "dogs"]
# Of the pictures, so many are enough to time the loop with.
SAMPLE = 48


def network(path: Path) -> Path:
    """The classic network, untrained: that makes no difference to its speed."""
    keras.utils.set_random_seed(0)
    building.build("classic", SIZE, len(CLASSES), "float32").save(path)
    return path


def bench(folder: Path, model: Path, count: int, rounds: int) -> Iterator[Row]:
    """`count` pictures in each measure."""
    files = photographs(folder / "photographs", count)
    small = photographs(folder / "small", count, SIZE)
    loaded = ModelCache().get(model, hashlib.sha256(model.read_bytes()).hexdigest(), CLASSES, SIZE)
    keras_model = keras.models.load_model(model, compile=False)
    tensors = np.stack([_pixels(path) for path in small]).astype(np.float32)
    measures: dict[str, Callable[[], float]] = {
        "files": functools.partial(_pipeline, loaded, files),
        "small": functools.partial(_pipeline, loaded, small),
        "memory": functools.partial(_in_memory, keras_model, tensors),
        "loop": functools.partial(_loop, keras_model, files[:SAMPLE]),
        "decoding": functools.partial(_decoding, files[: 4 * SAMPLE]),
    }
    found = in_turns(measures, rounds)
    unit = "pict/s"
    yield compare(
        "pictures of 150 pixels, to predict() of tensors", found["small"], found["memory"], unit, goal=0.9
    )
    yield compare(
        "photographs (decoding shares the cores), to the same", found["files"], found["memory"], unit
    )
    both = [1 / (1 / a + 1 / b) for a, b in zip(found["memory"], found["decoding"], strict=True)]
    yield compare("photographs, to decoding and predict() one after another", found["files"], both, unit)
    yield compare(
        "photographs, to load_img + predict() one by one", found["files"], found["loop"], unit, goal=15
    )


def _pixels(path: Path) -> Any:
    with path.open("rb") as file:
        return prepared(file, SIZE)


def _pipeline(loaded: LoadedModel, paths: list[Path]) -> float:
    pictures = [(path.name, functools.partial(path.open, "rb")) for path in paths]
    began = time.perf_counter()
    rows = list(predict(loaded, pictures, len(pictures), None, NoProgress()))
    took = time.perf_counter() - began
    if any(row.error for row in rows):
        raise RuntimeError("a picture could not be read")
    return len(rows) / took


def _in_memory(model: Any, tensors: Any) -> float:
    began = time.perf_counter()
    model.predict(tensors, verbose=0)
    return len(tensors) / (time.perf_counter() - began)


def _loop(model: Any, paths: list[Path]) -> float:
    began = time.perf_counter()
    for path in paths:
        picture = keras.utils.load_img(path, target_size=(SIZE, SIZE))
        model.predict(np.expand_dims(keras.utils.img_to_array(picture), 0), verbose=0)
    return len(paths) / (time.perf_counter() - began)


def _decoding(paths: list[Path]) -> float:
    """On all cores, with nothing else to do."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        began = time.perf_counter()
        list(pool.map(_pixels, paths))
        return len(paths) / (time.perf_counter() - began)
