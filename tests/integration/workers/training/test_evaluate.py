import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jobyard.workers.training import evaluate
from jobyard.workers.training.evaluate import Evaluation

# Scores of two classes that tie often, and which of them are positive.
SCORED = st.lists(st.tuples(st.integers(0, 12).map(lambda score: score / 12), st.booleans()), min_size=1)


def judge(probabilities: NDArray[np.float64], labels: NDArray[Any], classes: list[str]) -> Evaluation:
    return evaluate.judge(probabilities, labels, classes, [f"{n}.jpg" for n in range(len(labels))], "test")


def test_two_classes_are_judged_as_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])
    evaluation = judge(probabilities, np.array([0, 0, 0, 1, 1]), ["cat", "dog"])

    assert evaluation["classes"] == ["cat", "dog"]
    assert evaluation["confusion"] == [[2, 1], [1, 1]]
    assert evaluation["accuracy"] == pytest.approx(3 / 5)
    assert evaluation["loss"] == pytest.approx(-np.log([0.9, 0.6, 0.2, 0.3, 0.6]).mean())
    assert evaluation["per_class"]["cat"] == pytest.approx(
        {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3}
    )
    assert evaluation["per_class"]["dog"] == pytest.approx(
        {"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "support": 2}
    )


def test_three_classes_are_judged_as_by_hand() -> None:
    predicted = [0, 0, 1, 1, 1, 2]
    evaluation = judge(np.eye(3)[predicted], np.array([0, 1, 1, 1, 2, 2]), ["a", "b", "c"])

    assert evaluation["confusion"] == [[1, 0, 0], [1, 2, 0], [0, 1, 1]]
    assert evaluation["per_class"]["a"] == pytest.approx(
        {"precision": 1 / 2, "recall": 1, "f1": 2 / 3, "support": 1}
    )
    assert evaluation["per_class"]["c"] == pytest.approx(
        {"precision": 1, "recall": 1 / 2, "f1": 2 / 3, "support": 2}
    )


def test_a_class_never_predicted_scores_zero_and_a_certain_mistake_costs_finitely() -> None:
    evaluation = judge(np.array([[1.0, 0.0]]), np.array([1]), ["a", "b"])

    assert evaluation["per_class"]["b"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert evaluation["loss"] == pytest.approx(-np.log(1e-7))


def test_an_evaluation_is_json() -> None:
    evaluation = judge(np.array([[0.5, 0.5]]), np.array([0]), ["a", "b"])

    assert json.loads(json.dumps(evaluation)) == evaluation


def test_of_more_than_two_classes_there_is_no_roc() -> None:
    evaluation = judge(np.eye(3), np.array([0, 1, 2]), ["a", "b", "c"])

    assert (evaluation["roc_auc"], evaluation["roc"]) == (None, None)


@given(SCORED)
def test_the_area_is_the_share_of_pairs_in_the_right_order(scored: list[tuple[float, bool]]) -> None:
    positives = [score for score, positive in scored if positive]
    negatives = [score for score, positive in scored if not positive]
    found = evaluate.roc(*(np.array(column) for column in zip(*scored, strict=True)))

    if not (positives and negatives):
        assert found is None
        return
    right = sum((p > n) + (p == n) / 2 for p in positives for n in negatives)
    assert found is not None
    assert found[0] == right / (len(positives) * len(negatives))


@given(SCORED)
def test_each_point_of_the_curve_is_a_threshold(scored: list[tuple[float, bool]]) -> None:
    found = evaluate.roc(*(np.array(column) for column in zip(*scored, strict=True)))
    if found is None:
        return

    def share(threshold: float, of: bool) -> float:
        scores = [score for score, positive in scored if positive is of]
        return sum(score >= threshold for score in scores) / len(scores)

    thresholds = [math.inf, *sorted({score for score, _ in scored}, reverse=True)]
    assert found[1] == [[share(one, False), share(one, True)] for one in thresholds]


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    random = np.random.default_rng(0)
    found = evaluate.roc(random.random(5_000), random.random(5_000) < 0.3)

    assert found is not None
    assert len(found[1]) == 100
    assert (found[1][0], found[1][-1]) == ([0, 0], [1, 1])
    assert np.all(np.diff(found[1], axis=0) >= 0)


def test_the_interval_is_wilsons() -> None:
    # Newcombe (1998), doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I, row 3.
    assert evaluate.wilson(81, 263) == pytest.approx([0.2553, 0.3662], abs=1e-4)
    assert evaluate.wilson(15, 148) == pytest.approx([0.0624, 0.1605], abs=1e-4)
    assert evaluate.wilson(0, 20) == pytest.approx([0, 0.1611], abs=1e-4)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_ends_where_the_share_would_be_as_far_off_as_its_level_says(
    counted: tuple[int, int],
) -> None:
    hits, count = counted
    low, high = evaluate.wilson(hits, count)

    assert 0 <= low <= hits / count <= high <= 1
    for end in {low, high} - {0, 1}:
        assert abs(hits / count - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / count))


@given(st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=1, max_size=60))
def test_calibration_is_told_bin_by_bin(told: list[tuple[float, bool]]) -> None:
    confidence, hits = (np.array(column) for column in zip(*told, strict=True))
    bins = evaluate.calibration(confidence, hits)

    by_bin: dict[int, list[tuple[float, bool]]] = {}
    for sure, hit in told:
        by_bin.setdefault(math.ceil(sure * 15), []).append((sure, hit))
    assert [one["high"] for one in bins] == [place / 15 for place in sorted(by_bin)]
    for one, (_, within) in zip(bins, sorted(by_bin.items()), strict=True):
        assert one["count"] == len(within)
        assert one["confidence"] == pytest.approx(sum(sure for sure, _ in within) / len(within))
        assert one["accuracy"] == sum(hit for _, hit in within) / len(within)


def test_the_calibration_error_is_how_far_the_bins_are_off_on_average() -> None:
    # In (0.8, 13/15]: two of 0.85, one right. In (14/15, 1]: two of 0.99, both right.
    probabilities = np.array([[0.85, 0.15], [0.85, 0.15], [0.99, 0.01], [0.01, 0.99]])
    evaluation = judge(probabilities, np.array([0, 1, 0, 1]), ["a", "b"])

    assert [one["count"] for one in evaluation["calibration"]] == [2, 2]
    assert evaluation["calibration_error"] == pytest.approx(0.5 * 0.35 + 0.5 * 0.01)


def test_the_most_confident_mistakes_come_first_and_are_twenty_at_most() -> None:
    sure = np.linspace(0.6, 0.95, 30)
    evaluation = judge(np.stack([sure, 1 - sure], axis=1), np.array([1] * 29 + [0]), ["cat", "dog"])

    mistakes = evaluation["mistakes"]
    assert [one["picture"] for one in mistakes] == [f"{n}.jpg" for n in range(28, 8, -1)]
    assert mistakes[0] == {
        "picture": "28.jpg",
        "class": "dog",
        "predicted": "cat",
        "probability": pytest.approx(sure[28]),
    }
    assert judge(np.eye(2), np.array([0, 1]), ["cat", "dog"])["mistakes"] == []
