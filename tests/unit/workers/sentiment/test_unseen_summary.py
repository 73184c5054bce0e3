"""What VADER can't see is counted over all texts of a file, and their languages in a sample."""

import pyarrow as pa
import pytest

from jobyard.workers.sentiment.languages import SAMPLE
from jobyard.workers.sentiment.unseen_summary import UnseenSummary
from jobyard.workers.sentiment.vader.unseen import Unseen


@pytest.mark.parametrize("batch", [1, 3, 50, 4 * SAMPLE])
def test_the_sample_is_as_large_whatever_the_batches(batch: int) -> None:
    rows = 4 * SAMPLE
    summary = UnseenSummary(rows)
    for first in range(0, rows, batch):
        count = min(batch, rows - first)
        summary.add(pa.array(["a good day"] * count), Unseen(emoji=count))
    (emoji, _, _), (seen, foreign) = summary.note()
    assert (emoji, seen, foreign) == (rows, SAMPLE, 0)
