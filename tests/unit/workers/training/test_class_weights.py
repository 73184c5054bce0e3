import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.shared.errors import WorkError
from jobyard.workers.training.class_weights import class_weights

CLASSES = ["cats", "dogs", "owls"]


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    """`compute_class_weight("balanced", classes=[0, 1, 2], y=[0, 0, 0, 1, 1, 2])`, which is not installed."""
    labels = np.array([0, 0, 0, 1, 1, 2])

    weights = class_weights("balanced", CLASSES, labels)
    assert weights == pytest.approx({"cats": 6 / (3 * 3), "dogs": 6 / (3 * 2), "owls": 6 / (3 * 1)})


@given(st.lists(st.integers(1, 1_000), min_size=2, max_size=20))
def test_balanced_classes_weigh_the_same_in_sum_and_all_as_much_as_before(counts: list[int]) -> None:
    classes = [f"class {number}" for number in range(len(counts))]
    labels = np.repeat(np.arange(len(counts)), counts)
    weights = class_weights("balanced", classes, labels)
    assert weights is not None

    sums = [weights[name] * count for name, count in zip(classes, counts, strict=True)]
    np.testing.assert_allclose(sums, np.full(len(counts), sum(counts) / len(counts)))


def test_a_class_that_is_not_named_weighs_one() -> None:
    assert class_weights({"dogs": 2.5}, CLASSES, np.arange(3)) == {"cats": 1, "dogs": 2.5, "owls": 1}
    assert class_weights(None, CLASSES, np.arange(3)) is None


def test_a_class_that_is_none_is_named_with_those_that_are() -> None:
    with pytest.raises(
        WorkError,
        match=r"^class_weight names the class 'cat': the data set's classes are cats, dogs, owls$",
    ):
        class_weights({"dogs": 1, "cat": 2}, CLASSES, np.arange(3))
