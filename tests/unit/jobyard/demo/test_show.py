"""How long the demo trains."""

import pytest

from jobyard.demo.show import BUDGET_PICTURES, SPEC, _affordable_epochs


@pytest.mark.parametrize("pictures", [0, 50, 320, 1_600, 25_000])
def test_a_training_of_the_demo_stays_within_its_budget(pictures: int) -> None:
    spec = _affordable_epochs(pictures)
    per_epoch = spec["steps_per_epoch"] * SPEC["batch_size"] if "steps_per_epoch" in spec else pictures
    assert spec["epochs"] * per_epoch <= BUDGET_PICTURES
    assert 5 <= spec["epochs"] <= 30
