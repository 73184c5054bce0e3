"""How good a trained network is, class by class."""

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from workers.report import Report
from workers.training.data import Pictures
from workers.training.networks import class_probabilities


class ClassScore(TypedDict):
    """One class: precision, recall and F1 in 0…1 (0 where undefined), and its number of pictures."""

    precision: float
    recall: float
    f1: float
    support: int


class Evaluation(TypedDict):
    """`confusion` has a row for each true class and a column for each predicted one, as in `classes`."""

    accuracy: float
    loss: float
    classes: list[str]
    confusion: list[list[int]]
    per_class: dict[str, ClassScore]


def evaluate(
    model: Any, pictures: Pictures, classes: list[str], batch_size: int, report: Report
) -> Evaluation:
    """Judge the model by all of the pictures, once."""
    outputs = []
    for start in range(0, len(pictures), batch_size):
        report.check()
        outputs.append(model.predict_on_batch(pictures.pixels[start : start + batch_size].astype(np.float32)))
    return judge(class_probabilities(np.concatenate(outputs)), pictures.labels, classes)


def judge(
    probabilities: NDArray[np.float64], labels: NDArray[np.integer[Any]], classes: list[str]
) -> Evaluation:
    """Compare probabilities (n, classes) with the true labels (n,).

    The loss is the mean cross-entropy, with probabilities kept off 0 by 1e-7 as Keras does.
    """
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    likelihood = np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1)
    return Evaluation(
        accuracy=float(np.mean(predicted == labels)),
        loss=float(-np.mean(np.log(likelihood))),
        classes=classes,
        confusion=confusion.tolist(),
        per_class={name: _score(confusion, index) for index, name in enumerate(classes)},
    )


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
