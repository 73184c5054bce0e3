"""Jobs without progress, in words."""

from datetime import UTC, datetime, timedelta

import pytest

from jobyard.client.stalls import no_progress


@pytest.mark.parametrize(
    ("seconds", "words"), [(-5, "0 min"), (59, "0 min"), (1_890, "31 min"), (7_290, "2 h 1 min")]
)
def test_minutes_are_enough(seconds: float, words: str) -> None:
    assert no_progress(datetime.now(UTC) - timedelta(seconds=seconds)) == f"no progress for {words}"
