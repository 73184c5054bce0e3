"""Numbers and times as people read them."""

import datetime
from types import SimpleNamespace

import pytest

from jobyard.shared.jobs import Count
from jobyard.shared.jobs.counts import total
from jobyard.shared.texts import size
from jobyard.web.pages.filters import ago, counted, duration, how_many, in_words, number, percent


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (-0.5, "0.0 s"),
        (0.25, "0.2 s"),
        (59.4, "59 s"),
        (59.9, "1 min"),
        (75, "1 min 15 s"),
        (3600, "1 h"),
        (7300, "2 h 1 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "just now"), (59.9, "just now"), (60, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")],
)
def test_moments(seconds: float, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.datetime(2026, 1, 31, 23, 59, 59, tzinfo=datetime.UTC)
    clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda _: now), UTC=datetime.UTC)
    monkeypatch.setattr("jobyard.web.pages.filters.datetime", clock)
    assert ago(now - datetime.timedelta(seconds=seconds)) == words


def test_counts_say_how_exact_they_are() -> None:
    exact, counted, minimum = Count(5), Count(1_200, is_exact=False), Count(1_001, False, is_minimum=True)
    assert [how_many(count) for count in (exact, counted, minimum)] == ["5", "≈ 1,200", "> 1,000"]
    assert how_many(total([exact, exact])) == "10"
    assert how_many(total([exact, counted])) == "≈ 1,205"
    assert how_many(total([exact, counted, minimum])) == "> 2,205"


def test_numbers() -> None:
    assert number(1234567) == "1,234,567"
    assert number(0.12345) == "0.1235"
    assert number(None) == "–"
    assert percent(0.93215) == "93.2 %"
    assert percent(None) == "–"
    assert [counted(1, "picture"), counted(2000, "text"), counted(2, "class")] == [
        "1 picture",
        "2,000 texts",
        "2 classes",
    ]
    assert [size(1), size(999), size(1536), size(2_345_678), size(2 * 1024**3), size(5 * 10**12)] == [
        "1 byte",
        "999 bytes",
        "1.54 kB",
        "2.35 MB",
        "2.15 GB",
        "5 TB",
    ]


def test_details_of_the_audit_log_are_words_and_not_code() -> None:
    details = {"kinds": ["train", "predict"], "labels": {"team": "birds"}, "enabled": True, "url": None}
    assert in_words(details) == "kinds: train, predict; labels: team=birds; enabled: yes"
    assert in_words({"kinds": [], "labels": {}}) == in_words(None) == ""
