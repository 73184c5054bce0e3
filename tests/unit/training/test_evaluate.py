import json

import numpy as np
import pytest

from workers.training.evaluate import judge


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
