"""Scoring the texts that came with the job itself."""

from typing import Any

from shared.specs import SentimentSpec
from workers.report import Report
from workers.sentiment.scorer import Scorer
from workers.sentiment.summary import Summary


def score_texts(spec: SentimentSpec, scorer: Scorer, report: Report) -> dict[str, Any]:
    """Score `spec.texts`, in order.

    Returns {"count", "labels": {label: count}, "scores": [{"neg", "neu", "pos", "compound", "label"}],
    "lexicon": {"sha256"}}.
    """
    texts = spec.texts or []
    summary = Summary(spec.thresholds)
    rows = []
    report.phase("scoring")
    for done, text in enumerate(texts, 1):
        scores = scorer.score(text)
        rows.append({**scores._asdict(), "label": summary.add(scores)})
        report.progress(done, len(texts), "texts")
    return {
        "count": len(rows),
        "labels": summary.labels,
        "scores": rows,
        "lexicon": {"sha256": scorer.sha256},
    }
