"""How good a trained network is: as a whole, class by class, and where it was sure and wrong."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import Any, Protocol, Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from jobyard.shared.errors import WorkError
from jobyard.workers.networks.outputs import class_probabilities
from jobyard.workers.runtime.progress import Progress

BINS = 15
MAX_ROC_POINTS = 100
MAX_MISTAKES = 20

Floats = NDArray[np.float64]
Whole = NDArray[np.integer[Any]]


class ClassScore(TypedDict):
    """One class: precision, recall and F1 in 0…1 (0 where undefined), and its number of pictures."""

    precision: float
    recall: float
    f1: float
    support: int


class Bin(TypedDict):
    """Pictures whose predicted class has a probability in (low, high]: its mean, and the share of hits."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


# A picture, by its place in the data set, that was taken for another class, with that one's probability.
Mistake = TypedDict("Mistake", {"picture": str, "class": str, "predicted": str, "probability": float})


class Evaluation(TypedDict):
    """The evaluation of a model on pictures.

    `split` is where they are from: "test", the data set's own `test/`, "validation", which also chose the
    best epoch of a training on it, "train" or "all". `accuracy_interval` is Wilson's at 95 %. `confusion` has
    a row for each true class and a column for each predicted one, as in `classes`. `roc_auc` and the points
    (false positive rate, true positive rate) of `roc` are of two classes only, the second being the positive
    one. `calibration` has the bins that have pictures. `mistakes` are the most confident ones.

    Where there are many classes, a job's result has the worst of them only (`registry.many_classes`).
    """

    split: str
    pictures: int
    accuracy: float
    accuracy_interval: list[float]
    loss: float
    class_count: int
    classes: list[str]
    confusion: list[list[int]]
    per_class: dict[str, ClassScore]
    roc_auc: float | None
    roc: list[list[float]] | None
    calibration_error: float
    calibration: list[Bin]
    mistakes: list[Mistake]


class Pixels(Protocol):
    """Decoded pictures (n, size, size, 3) uint8, read slice by slice and in order."""

    def __getitem__(self, index: slice, /) -> NDArray[np.uint8]: ...


class Labelled(Protocol):
    """Pictures with their true labels (n,) and their places in the data set."""

    @property
    def pixels(self) -> Pixels: ...
    @property
    def labels(self) -> Whole: ...
    @property
    def names(self) -> list[str]: ...


@dataclass(frozen=True)
class Answers:
    """What of each picture's probabilities an evaluation needs: some bytes, however many classes there are.

    `predicted` (n,) is the most probable class and `confidence` (n,) its probability, `likelihood` (n,) the
    true class's, kept off 0 by 1e-7 as Keras does, and `positive` (n,) the second one's.
    """

    predicted: NDArray[np.int64]
    confidence: Floats
    likelihood: Floats
    positive: Floats

    @classmethod
    def of(cls, probabilities: Floats, labels: Whole) -> Self:
        """Probabilities (n, classes) of pictures whose true classes are `labels` (n,). Raises WorkError."""
        if not np.isfinite(probabilities).all():
            raise WorkError("the model's probabilities are not finite: its weights may be NaN, or too large")
        return cls(
            probabilities.argmax(axis=1),
            probabilities.max(axis=1),
            np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1),
            probabilities[:, 1].copy(),
        )

    @classmethod
    def joined(cls, parts: "Sequence[Answers]") -> Self:
        """Those of all parts, in order."""
        return cls(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(cls)))

    def as_array(self) -> Floats:
        """(fields, n), to be stored."""
        return np.stack([getattr(self, one.name).astype(np.float64) for one in fields(self)])

    @classmethod
    def from_array(cls, stored: Floats) -> Self:
        """What `as_array` gave."""
        predicted, confidence, likelihood, positive = stored
        return cls(predicted.astype(np.int64), confidence, likelihood, positive)


def evaluate(
    model: Any,
    split: str,
    pictures: Labelled,
    classes: list[str],
    batch_size: int,
    progress: Progress,
) -> Evaluation:
    """Judge the model by all of the pictures, once."""
    answers = answer(model, pictures, batch_size, progress)
    return judge_answers(answers, pictures.labels, classes, pictures.names, split)


def answer(model: Any, pictures: Labelled, batch_size: int, progress: Progress) -> Answers:
    """The model's answers for all of the pictures, batch by batch."""
    answers = []
    for start in range(0, len(pictures.labels), batch_size):
        progress.check()
        batch = slice(start, start + batch_size)
        outputs = model.predict_on_batch(pictures.pixels[batch].astype(np.float32))
        answers.append(Answers.of(class_probabilities(outputs), pictures.labels[batch]))
    return Answers.joined(answers)


def judge(
    probabilities: Floats,
    labels: Whole,
    classes: list[str],
    names: list[str],
    split: str,
) -> Evaluation:
    """Compare probabilities (n, classes) with the true labels (n,); n > 0. Raises WorkError."""
    return judge_answers(Answers.of(probabilities, labels), labels, classes, names, split)


def judge_answers(
    answers: Answers, labels: Whole, classes: list[str], names: Sequence[str], split: str
) -> Evaluation:
    """Compare answers with the true labels (n,); n > 0. The loss is the mean cross-entropy."""
    predicted, confidence = answers.predicted, answers.confidence
    hits = predicted == labels
    order = np.argsort(-confidence, kind="stable")
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    bins = calibration(confidence, hits)
    curve = roc(answers.positive, labels == 1) if len(classes) == 2 else None

    def mistake(index: int) -> Mistake:
        return {
            "picture": names[index],
            "class": classes[labels[index]],
            "predicted": classes[predicted[index]],
            "probability": float(confidence[index]),
        }

    return Evaluation(
        split=split,
        pictures=len(labels),
        accuracy=float(np.mean(hits)),
        accuracy_interval=wilson(int(hits.sum()), len(labels)),
        loss=float(-np.mean(np.log(answers.likelihood))),
        class_count=len(classes),
        classes=classes,
        confusion=confusion.tolist(),
        per_class={name: _score(confusion, index) for index, name in enumerate(classes)},
        roc_auc=None if curve is None else curve[0],
        roc=None if curve is None else curve[1],
        calibration_error=sum(
            one["count"] / len(labels) * abs(one["accuracy"] - one["confidence"]) for one in bins
        ),
        calibration=bins,
        mistakes=[mistake(int(index)) for index in order[~hits[order]][:MAX_MISTAKES]],
    )


def wilson(hits: int, count: int, level: float = 0.95) -> list[float]:
    """The score interval of a share (Wilson, 1927, doi:10.1080/01621459.1927.10502953); count > 0.

    With p = hits / count and z the normal quantile of the level:

        (p + z²/2n ± z · √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, square = hits / count, z * z / count
    middle = share + square / 2
    half = z * math.sqrt(share * (1 - share) / count + square / (4 * count))
    # At its ends the formula gives 0 and 1, but for rounding.
    low = (middle - half) / (1 + square) if hits else 0.0
    high = (middle + half) / (1 + square) if hits < count else 1.0
    return [low, high]


def roc(scores: Floats, positive: NDArray[np.bool_]) -> tuple[float, list[list[float]]] | None:
    """The area under the ROC curve, and at most 100 of its points, (0, 0) and (1, 1) among them.

    The area is the share of pairs of a positive and a negative picture of which the positive one has the
    higher score, ties counting half (Hanley and McNeil, 1982, doi:10.1148/radiology.143.1.7063747), from
    whole numbers. `scores` and `positive` have the shape (n,). None where there is no such pair.
    """
    values, places = np.unique(-scores, return_inverse=True)
    true = np.bincount(places, weights=positive, minlength=len(values)).astype(np.int64)
    false = np.bincount(places, weights=~positive, minlength=len(values)).astype(np.int64)
    pairs = int(true.sum()) * int(false.sum())
    if not pairs:
        return None
    below = false.sum() - np.cumsum(false)
    area = int((2 * true * below + true * false).sum()) / (2 * pairs)
    points = np.zeros((len(values) + 1, 2))
    points[1:] = np.stack([np.cumsum(false) / false.sum(), np.cumsum(true) / true.sum()], axis=1)
    kept = np.unique(np.linspace(0, len(values), min(len(points), MAX_ROC_POINTS)).round().astype(int))
    return area, points[kept].tolist()


def calibration(confidence: Floats, hits: NDArray[np.bool_]) -> list[Bin]:
    """The bins of a reliability plot that have pictures: 15 of equal width, (0, 1/15], (1/15, 2/15], …

    The mean of |accuracy - confidence|, each bin weighted by its pictures, is the expected calibration
    error (Guo et al., 2017, arXiv:1706.04599, section 2). `confidence` (n,) is the predicted class's.
    """
    places = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return [
        Bin(
            low=place / BINS,
            high=(place + 1) / BINS,
            count=int(within.sum()),
            confidence=float(confidence[within].mean()),
            accuracy=float(hits[within].mean()),
        )
        for place, within in ((place, places == place) for place in range(BINS))
        if within.any()
    ]


def _score(confusion: NDArray[np.int64], index: int) -> ClassScore:
    hits, predicted, support = (
        int(confusion[index, index]),
        int(confusion[:, index].sum()),
        int(confusion[index].sum()),
    )
    return ClassScore(
        precision=hits / predicted if predicted else 0.0,
        recall=hits / support if support else 0.0,
        f1=2 * hits / (predicted + support) if predicted + support else 0.0,
        support=support,
    )
