"""Evaluations with many classes: what a job's result and its page have of one.

The confusion matrix of 1,000 classes has a million numbers, which nobody reads.
"""

import heapq
from collections.abc import Sequence
from typing import Any, Final

# Up to so many classes a result has all of them.
MAX_CLASSES: Final = 50
# Of more, so many of the pairs that were confused most, and of the classes that were found worst.
SHOWN: Final = 20


def shortened(evaluation: dict[str, Any]) -> dict[str, Any]:
    """The evaluation as it is; or, if it has many classes, with the worst of them only.

    Then `classes` and `confusion` are empty, `per_class` has the classes of lowest F1, and `confused` the
    pairs of `worst_pairs`.
    """
    classes = evaluation["classes"]
    if len(classes) <= MAX_CLASSES:
        return evaluation
    worst = heapq.nsmallest(SHOWN, evaluation["per_class"].items(), key=lambda found: found[1]["f1"])
    return evaluation | {
        "class_count": len(classes),
        "classes": [],
        "confusion": [],
        "per_class": dict(worst),
        "confused": worst_pairs(evaluation["confusion"], classes),
    }


def worst_pairs(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> list[dict[str, Any]]:
    """The pairs of two classes that were confused most, those of most pictures first.

    Each is {class, predicted, count, share}: how many pictures of the class were taken for the other one, and
    which share of its pictures that is.
    """
    wrong = (
        (count, -true, -predicted)
        for true, row in enumerate(confusion)
        for predicted, count in enumerate(row)
        if count and true != predicted
    )
    return [
        {
            "class": classes[-true],
            "predicted": classes[-predicted],
            "count": count,
            "share": count / sum(confusion[-true]),
        }
        for count, true, predicted in heapq.nlargest(SHOWN, wrong)
    ]
