"""Scoring the texts that came with the job itself."""

from typing import Any

from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.languages import Languages
from jobyard.workers.sentiment.vader.labels import LABELS
from jobyard.workers.sentiment.vader.scorer import Scorer
from jobyard.workers.sentiment.vader.unseen import Unseen, as_result


def score_texts(spec: SentimentSpec, scorer: Scorer, progress: Progress) -> dict[str, Any]:
    """Score `spec.texts`, in order.

    Returns {"count", "labels": {label: count}, "scores": [{"neg", "neu", "pos", "compound", "label"}],
    "unseen": {"emoji", "curly", "html", "not_english"} as `unseen.as_result` says, "lexicon": {"sha256"}}.

    With `spec.explain` each of "scores" also has "scored_as", the text that the rules apply to where that is
    another one (`Normalizer`), else None; "punctuation"; and "words", a list of
    {"word", "first", "valence", "score", "because": [{"rule", "word", "change"}]}: the word as NLTK sees it
    (without a mark before or after it; single letters are left out), its valence in the lexicon or 0, and
    what each rule changed, in order, so that

        valence + the sum of all changes = score (but for the last digits of floating point), and
        compound = round(s / sqrt(s² + 15), 4) with s = sum of all scores + punctuation.

    "punctuation" is the weight of the text's ! and ?, with the sign of the sum. A repeated word has the
    surroundings of its first occurrence: words["first"], counted from 0, which is the word itself otherwise.
    Rules, and the other word that is named (null where there is none):

        capitals    the word is in capitals and not all are
        booster     one of the three words (or a pair of them) before makes it stronger or weaker; without a
                    word: it is a booster itself, which counts nothing of its own
        negation    one of the three words before negates it
        so          a "so" or "this" before it, which NLTK takes for "never so"
        idiom       it is part of or next to an idiom, which has a value of its own
        least       "least" is before it
        but         it is before a "but", which halves it, or after it, which gives it half as much again
    """
    texts = spec.texts or []
    labels = dict.fromkeys(LABELS, 0)
    rows = []
    unseen = Unseen()
    progress.phase("scoring")
    for done, text in enumerate(texts, 1):
        scores = scorer.score(text)
        label = spec.thresholds.label(scores.compound)
        labels[label] += 1
        unseen = unseen.plus(scorer.unseen(text))
        explanation = _explained(scorer, text) if spec.explain else {}
        rows.append({**scores._asdict(), "label": label, **explanation})
        progress.update(done, len(texts), "texts")
    return {
        "count": len(rows),
        "labels": labels,
        "scores": rows,
        "unseen": as_result(unseen, Languages.of(texts).not_english()),
        "lexicon": {"sha256": scorer.sha256},
    }


def _explained(scorer: Scorer, text: str) -> dict[str, Any]:
    scored_as = scorer.scored_as(text)
    return {"scored_as": None if scored_as == text else scored_as, **scorer.explain(text)}
