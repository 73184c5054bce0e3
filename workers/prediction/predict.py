"""What is on the pictures, one answer for each, in their order."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import IO

import numpy as np
from numpy.typing import NDArray

from shared.errors import NotFound
from shared.pictures import NotAPicture, decode, to_array
from workers.prediction.models import LoadedModel
from workers.report import Report

BATCH_SIZE = 32

Picture = tuple[str, Callable[[], IO[bytes]]]
Decoded = NDArray[np.uint8] | str


@dataclass(frozen=True)
class Prediction:
    """One picture's answer: the most probable class, or the reason why there is none in `error`.

    `probabilities` has the most probable class first, and all classes or the `top` ones.
    """

    image: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float]
    error: str | None


def predict(
    model: LoadedModel, pictures: Iterable[Picture], total: int, top: int | None, report: Report
) -> Iterator[Prediction]:
    """Predict `total` pictures, given as (name, function that opens it), lazily and in their order.

    A picture that can't be read costs its own row only. Lets the report's Interrupted through.
    """
    waiting = iter(pictures)
    done = 0
    pool = ThreadPoolExecutor()
    try:

        def submit_batch() -> list[tuple[str, Future[Decoded]]]:
            return [
                (name, pool.submit(_decode, open_picture, model.image_size))
                for name, open_picture in islice(waiting, BATCH_SIZE)
            ]

        following = submit_batch()
        while following:
            batch, following = following, submit_batch()  # the next one is decoded meanwhile
            yield from _predict_batch(model, batch, top, report)
            done += len(batch)
            report.progress(done, total, "pictures")
    finally:
        # Who is told to stop does not decode what waits.
        pool.shutdown(cancel_futures=True)


def _predict_batch(
    model: LoadedModel, batch: list[tuple[str, Future[Decoded]]], top: int | None, report: Report
) -> Iterator[Prediction]:
    decoded: list[tuple[str, Decoded]] = []
    for name, future in batch:
        report.check()
        decoded.append((name, future.result()))
    readable = [pixels for _, pixels in decoded if not isinstance(pixels, str)]
    answers = iter(model.probabilities(np.stack(readable)) if readable else ())
    for name, pixels in decoded:
        if isinstance(pixels, str):
            yield Prediction(name, None, None, {}, error=pixels)
        else:
            yield _prediction(name, next(answers), model.classes, top)


def _prediction(
    name: str, probabilities: NDArray[np.float64], classes: list[str], top: int | None
) -> Prediction:
    order = np.argsort(-probabilities, kind="stable")
    best = {classes[index]: float(probabilities[index]) for index in order[:top]}
    label = classes[order[0]]
    return Prediction(name, label, best[label], best, error=None)


def _decode(open_picture: Callable[[], IO[bytes]], size: int) -> Decoded:
    try:
        with open_picture() as file:
            return to_array(decode(file), size)
    except (NotAPicture, NotFound, OSError) as error:
        return str(error)
