"""An evaluation with many classes is shortened to the worst; one with few stays as it is."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jobyard.shared.registry.many_classes import MAX_CLASSES, SHOWN, shortened, worst_pairs


def evaluation(count: int, seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    confusion = random.integers(0, 9, (count, count)) * (random.random((count, count)) < 0.1)
    confusion[np.arange(count), np.arange(count)] += 1
    classes = [f"class {index}" for index in range(count)]
    return {
        "accuracy": 0.5,
        "classes": classes,
        "confusion": confusion.tolist(),
        "per_class": {name: {"f1": float(random.random()), "support": 4} for name in classes},
    }


def test_up_to_fifty_classes_are_all_in_a_result() -> None:
    few = evaluation(MAX_CLASSES)
    assert shortened(few) == few


def test_of_more_classes_a_result_has_the_worst_and_what_they_are_confused_with() -> None:
    whole = evaluation(MAX_CLASSES + 1)
    found = shortened(whole)
    assert (found["class_count"], found["classes"], found["confusion"]) == (MAX_CLASSES + 1, [], [])
    scores = sorted(score["f1"] for score in whole["per_class"].values())
    assert sorted(score["f1"] for score in found["per_class"].values()) == scores[:SHOWN]
    assert found["confused"] == worst_pairs(whole["confusion"], whole["classes"])
    assert found["accuracy"] == 0.5
    assert shortened(found) == found


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10_000))
def test_the_pairs_are_those_with_the_most_pictures(count: int, seed: int) -> None:
    whole = evaluation(count, seed)
    confusion = np.array(whole["confusion"])
    wrong = confusion * (1 - np.eye(count, dtype=int))
    found = worst_pairs(whole["confusion"], whole["classes"])
    assert [pair["count"] for pair in found] == sorted(wrong[wrong > 0].tolist(), reverse=True)[:SHOWN]
    for pair in found:
        true, predicted = (whole["classes"].index(pair[name]) for name in ("class", "predicted"))
        assert pair["count"] == wrong[true, predicted]
        assert pair["share"] == pair["count"] / confusion[true].sum()
    assert len({(pair["class"], pair["predicted"]) for pair in found}) == len(found)
