"""Scoring the texts that came with a job."""

import pytest

from jobyard.shared.errors import Cancelled
from jobyard.shared.kinds.sentiment import SentimentSpec, Thresholds
from jobyard.workers.sentiment.vader.scorer import Scorer
from jobyard.workers.sentiment.vader.texts import score_texts
from tests.reports import NoMetrics


def test_each_text_gets_its_scores_and_label_in_order(scorer: Scorer, notes: NoMetrics) -> None:
    spec = SentimentSpec(texts=["I love it", "It is awful", "It is a table"])
    result = score_texts(spec, scorer, notes)
    assert result["count"] == 3
    assert result["labels"] == {"positive": 1, "neutral": 1, "negative": 1}
    assert [row["label"] for row in result["scores"]] == ["positive", "negative", "neutral"]
    assert result["scores"][0] == {**scorer.score("I love it")._asdict(), "label": "positive"}
    assert result["lexicon"] == {"sha256": scorer.sha256}
    assert notes.steps == [(1, 3, "texts"), (2, 3, "texts"), (3, 3, "texts")]


def test_the_spec_says_from_where_a_text_is_positive(scorer: Scorer, notes: NoMetrics) -> None:
    spec = SentimentSpec(texts=["I love it"], thresholds=Thresholds(positive=0.9, negative=-0.9))
    assert score_texts(spec, scorer, notes)["labels"] == {"positive": 0, "neutral": 1, "negative": 0}


def test_texts_with_what_vader_cant_see_are_counted(scorer: Scorer, notes: NoMetrics) -> None:
    spec = SentimentSpec(texts=["great👍", "I don’t like it", "fine &amp; good", "C'est vraiment nul"])
    assert score_texts(spec, scorer, notes)["unseen"] == {
        "emoji": 1,
        "curly": 1,
        "html": 1,
        "not_english": 0.25,
    }


def test_an_explanation_shows_the_text_that_was_scored(notes: NoMetrics) -> None:
    spec = SentimentSpec(texts=["great👍", "fine"], normalize="standard", explain=True)
    rows = score_texts(spec, Scorer(normalize=True), notes)["scores"]
    assert [row["scored_as"] for row in rows] == ["great thumbs up", None]
    assert [word["word"] for word in rows[0]["words"]] == ["great", "thumbs", "up"]


def test_a_cancel_stops_the_scoring(scorer: Scorer) -> None:
    class Impatient(NoMetrics):
        def update(self, done: int, total: int | None, unit: str) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        score_texts(SentimentSpec(texts=["I love it"] * 5), scorer, Impatient())
