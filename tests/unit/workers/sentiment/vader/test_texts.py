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


def test_a_cancel_stops_the_scoring(scorer: Scorer) -> None:
    class Impatient(NoMetrics):
        def update(self, done: int, total: int | None, unit: str) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        score_texts(SentimentSpec(texts=["I love it"] * 5), scorer, Impatient())
