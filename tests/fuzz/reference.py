"""What every score is compared with: NLTK's analyzer as it is."""

from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import nltk.data
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from nltk.sentiment.vader import SentimentIntensityAnalyzer

from jobyard.workers.sentiment.vader.bulk import BulkScorer, BulkScores

LEXICON = next(
    Path(str(file.locate()))
    for file in metadata.files("vaderSentiment") or []
    if file.name == "vader_lexicon.txt"
)


def packaged_nltk() -> SentimentIntensityAnalyzer:
    """With the lexicon of the vaderSentiment package."""
    return plain_nltk(LEXICON)


def plain_nltk(lexicon: Path) -> SentimentIntensityAnalyzer:
    """NLTK's analyzer as its own constructor makes it of a lexicon's file, without a download."""
    nltk.data.path.append(str(lexicon.parents[1]))
    try:
        return SentimentIntensityAnalyzer(f"{lexicon.parent.name}/{lexicon.name}")
    finally:
        nltk.data.path.pop()


def bits(scores: list[tuple[float, ...]] | BulkScores) -> npt.NDArray[np.int64]:
    """A row of four numbers for each text, so that 0.0 and −0.0 differ, and NaN is NaN."""
    rows = np.stack(scores, axis=1) if isinstance(scores, BulkScores) else np.array(scores, np.float64)
    return np.ascontiguousarray(rows).reshape(-1, 4).view(np.int64)


def different(
    texts: list[str],
    analyzer: SentimentIntensityAnalyzer,
    bulk: BulkScorer,
    normalized: Callable[[str], str] = str,
) -> list[str]:
    """The texts that don't have NLTK's scores to the bit: those of what `normalized` makes of them."""
    ours = bits(bulk.score(pa.array(texts, pa.string())))
    theirs = bits([tuple(analyzer.polarity_scores(normalized(text)).values()) for text in texts])
    return [texts[row] for row in np.flatnonzero((ours != theirs).any(axis=1))]
