"""Jobs without progress, in words."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from jobyard.client import stalls

NOW = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 min"), (59.9, "0 min"), (60, "1 min"), (1_890, "31 min"), (7_290, "2 h 1 min")],
)
def test_minutes_are_enough(seconds: float, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "datetime", SimpleNamespace(now=lambda _: NOW))
    assert stalls.no_progress(NOW - timedelta(seconds=seconds)) == f"no progress for {words}"
