"""What the tests that train share."""

from pathlib import Path

import pytest

from tests.factories import draw_colours


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 pictures to train, 10 to validate, easily told apart."""
    return draw_colours(tmp_path_factory.mktemp("data"), ["red", "blue"], train=18, validation=5)
