"""The pictures are those of the tests that train on them."""

from tests.integration.workers.training.conftest import draw_dataset

__all__ = ["draw_dataset"]
