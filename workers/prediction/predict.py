"""Predictions for pictures, one for each, in their order."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, repeat
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobyard.shared.errors import NotFound
from jobyard.shared.pictures import WHITE, NotAPicture, decoded, to_array
from jobyard.workers.prediction.explain import MAX_SIDE, Explainer, overlay
from jobyard.workers.prediction.models import LoadedModel
from jobyard.workers.runtime.progress import Progress

BATCH_SIZE = 32

Picture = tuple[str, Callable[[], IO[bytes]]]


@dataclass(frozen=True)
class DecodedPicture:
    """The pixels (size, size, 3) for the model, and the picture to draw on where that is wanted."""

    pixels: NDArray[np.uint8]
    shown: Image.Image | None


@dataclass(frozen=True)
class PicturePrediction:
    """One picture's answer: the most probable class, or the reason why there is none in `error`.

    `probabilities` has the most probable class first, and all classes or the `top` ones. `overlay` is the
    picture with the regions that support the label, as a PNG, with `explain`.
    """

    image: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float]
    error: str | None
    overlay: bytes | None = None


def predict(
    model: LoadedModel,
    pictures: Iterable[Picture],
    total: int,
    top: int | None,
    progress: Progress,
    *,
    explain: bool = False,
    background: str | None = WHITE,
) -> Iterator[PicturePrediction]:
    """Predict `total` pictures, given as (name, function that opens it), lazily and in their order.

    `background` is what the model takes for transparent.

    A picture that can't be read costs its own row only. Lets the Interrupted of `progress` through; raises
    WorkError for a model that can't be explained.
    """
    waiting = iter(pictures)
    explainer = Explainer(model.network) if explain else None
    done = 0
    # More threads than cores only take turns with the model's.
    pool = ThreadPoolExecutor(os.cpu_count())
    try:

        def submit_batch() -> Batch:
            return [
                (name, pool.submit(_decode, open_picture, model.image_size, background, explain))
                for name, open_picture in islice(waiting, BATCH_SIZE)
            ]

        following = submit_batch()
        while following:
            batch, following = following, submit_batch()  # the next one is decoded meanwhile
            yield from _predict_batch(model, batch, top, explainer, progress)
            done += len(batch)
            progress.update(done, total, "pictures")
    finally:
        # Work that is interrupted does not decode what is still queued.
        pool.shutdown(cancel_futures=True)


Batch = list[tuple[str, Future[DecodedPicture | str]]]


def _predict_batch(
    model: LoadedModel, batch: Batch, top: int | None, explainer: Explainer | None, progress: Progress
) -> Iterator[PicturePrediction]:
    decoded = []
    for name, future in batch:
        progress.check()
        decoded.append((name, future.result()))
    readable = [found for _, found in decoded if isinstance(found, DecodedPicture)]
    answers: Iterator[tuple[NDArray[np.float64], bytes | None]] = iter(())
    if readable:
        pixels = np.stack([found.pixels for found in readable])
        probabilities = model.probabilities(pixels)
        drawn = _overlays(explainer, readable, pixels, probabilities, progress)
        answers = zip(probabilities, drawn, strict=False)
    for name, found in decoded:
        if isinstance(found, str):
            yield PicturePrediction(name, None, None, {}, error=found)
        else:
            of_classes, overlay = next(answers)
            yield _prediction(name, of_classes, model.classes, top, overlay)


def _overlays(
    explainer: Explainer | None,
    readable: list[DecodedPicture],
    pixels: NDArray[np.uint8],
    probabilities: NDArray[np.float64],
    progress: Progress,
) -> Iterator[bytes | None]:
    if explainer is None:
        yield from repeat(None)
        return
    maps = explainer.maps(pixels, probabilities.argmax(axis=1))
    for found, heat in zip(readable, maps, strict=True):
        progress.check()
        yield None if found.shown is None else overlay(found.shown, heat)


def _prediction(
    name: str, probabilities: NDArray[np.float64], classes: list[str], top: int | None, overlay: bytes | None
) -> PicturePrediction:
    order = np.argsort(-probabilities, kind="stable")
    best = {classes[index]: float(probabilities[index]) for index in order[:top]}
    label = classes[order[0]]
    return PicturePrediction(name, label, best[label], best, error=None, overlay=overlay)


def _decode(
    open_picture: Callable[[], IO[bytes]], size: int, background: str | None, is_shown: bool
) -> DecodedPicture | str:
    try:
        with open_picture() as file, decoded(file, resized=size, background=background) as picture:
            pixels = to_array(picture, size)
            if not is_shown:
                return DecodedPicture(pixels, None)
            picture.thumbnail((MAX_SIDE, MAX_SIDE))
            return DecodedPicture(pixels, picture.copy())
    except (NotAPicture, NotFound, OSError) as error:
        return str(error)
