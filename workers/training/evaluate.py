"""How good a trained network is: as a whole, class by class, and where it was sure and wrong."""

import math
from statistics import NormalDist
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from jobyard.workers.networks.outputs import class_probabilities
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.training.data import Pictures

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
    """The evaluation of a model on pictures that had no part in the training.

    `split` is where they are from: "test", the data set's own `test/`, or "validation", which also chose
    the best epoch. `accuracy_interval` is Wilson's at 95 %. `confusion` has a row for each true class and a
    column for each predicted one, as in `classes`. `roc_auc` and the points (false positive rate, true
    positive rate) of `roc` are of two classes only, the second being the positive one. `calibration` has
    the bins that have pictures. `mistakes` are the most confident ones.
    """

    split: str
    pictures: int
    accuracy: float
    accuracy_interval: list[float]
    loss: float
    classes: list[str]
    confusion: list[list[int]]
    per_class: dict[str, ClassScore]
    roc_auc: float | None
    roc: list[list[float]] | None
    calibration_error: float
    calibration: list[Bin]
    mistakes: list[Mistake]


def evaluate(
    model: Any,
    split: str,
    pictures: Pictures,
    classes: list[str],
    batch_size: int,
    progress: Progress,
) -> Evaluation:
    """Judge the model by all of the pictures, once."""
    outputs = []
    for start in range(0, len(pictures), batch_size):
        progress.check()
        outputs.append(model.predict_on_batch(pictures.pixels[start : start + batch_size].astype(np.float32)))
    return judge(
        class_probabilities(np.concatenate(outputs)), pictures.labels, classes, pictures.names, split
    )


def judge(
    probabilities: Floats,
    labels: Whole,
    classes: list[str],
    names: list[str],
    split: str,
) -> Evaluation:
    """Compare probabilities (n, classes) with the true labels (n,); n > 0.

    The loss is the mean cross-entropy, with probabilities kept off 0 by 1e-7 as Keras does.
    """
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    hits = predicted == labels
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    likelihood = np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1)
    bins = calibration(confidence, hits)
    curve = roc(probabilities[:, 1], labels == 1) if len(classes) == 2 else None

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
        loss=float(-np.mean(np.log(likelihood))),
        classes=classes,
        confusion=confusion.tolist(),
        per_class={name: _score(confusion, index) for index, name in enumerate(classes)},
        roc_auc=None if curve is None else curve[0],
        roc=None if curve is None else curve[1],
        calibration_error=sum(
            one["count"] / len(labels) * abs(one["accuracy"] - one["confidence"]) for one in bins
        ),
        calibration=bins,
        mistakes=[mistake(int(index)) for index in np.argsort(-confidence, kind="stable") if not hits[index]][
            :MAX_MISTAKES
        ],
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
