"""No random tree of pictures is misread: `make fuzz-trees` tries many more."""

import pytest

from tests.fuzz.picture_trees import misread


@pytest.mark.parametrize("seed", range(10_000, 10_040))
def test_a_tree_is_imported_as_it_is_meant(seed: int) -> None:
    assert misread(seed) is None
