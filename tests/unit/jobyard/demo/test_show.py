"""How long the demo trains."""

import pytest

from jobyard.demo.show import SIZES, _affordable_size


@pytest.mark.parametrize("pictures", [0, 40, 240, 2_000, 10_000, 10_001, 20_000, 25_000, 40_000])
def test_a_training_of_the_demo_stays_within_its_budget(pictures: int) -> None:
    """What a pretrained network computes grows with the pictures and with the square of their size."""
    most, largest = SIZES[0]
    assert most is not None
    size = _affordable_size(pictures)
    assert pictures * size**2 <= 1.2 * most * largest**2
    assert 128 <= size <= largest
    assert pictures > most or size == largest
