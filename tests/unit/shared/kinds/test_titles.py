"""A job is called by its name, or by what it does."""

import json

import pytest

from jobyard.shared.kinds import titles
from jobyard.shared.kinds.words import first_words


def called(kind: str, spec: dict[str, object], **given: object) -> str:
    return titles.called(kind, json.dumps(spec), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I love it", "I love it"),
        ("  two\n lines\twith\x1b[2J spaces ", "two lines with [2J spaces"),
        ("", ""),
        (" \n\x00", ""),
        ("word " * 30, "word word word word word word word word word word word word …"),
        ("w" * 61, f"{'w' * 60}…"),
        ("w" * 60, "w" * 60),
        (f"{'w' * 60} more", f"{'w' * 60} …"),
        (f"short{' ' * 400}more", "short …"),
    ],
)
def test_the_first_words_of_a_text_are_whole_and_on_one_line(text: str, words: str) -> None:
    assert first_words(text) == words


def test_a_job_is_called_by_its_name_then_by_what_is_stored_then_by_its_spec() -> None:
    spec = {"texts": ["so  good"], "file": None}
    assert called("sentiment", spec) == "so good"
    assert called("sentiment", spec, does="photos.csv") == "photos.csv"
    assert called("sentiment", spec, does="photos.csv", name="nightly") == "nightly"


def test_jobs_are_called_by_what_they_do() -> None:
    assert called("train", {"network": "compact", "dataset": "cats@3"}) == "compact on cats@3"
    assert called("sentiment", {"texts": ["a", "b"]}) == "2 texts"
    assert called("sentiment", {"part": 0, "parts": 8}, is_part=True) == "part 1 of 8"
    assert called("of-a-plugin-that-is-gone", {}) == "of-a-plugin-that-is-gone"
