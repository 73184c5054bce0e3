"""What one process of `make fuzz-text` does."""

import functools

from nltk.sentiment.vader import SentimentIntensityAnalyzer

from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.scorer import Scorer
from tests.fuzz.reference import different, packaged_nltk
from tests.fuzz.texts import make_texts

BATCH = 20_000


def differing(seed: int) -> list[str]:
    """The texts of one seed that have other scores than NLTK's."""
    analyzer, bulk = _scorers()
    return different(make_texts(seed, BATCH, sorted(analyzer.lexicon)), analyzer, bulk)


@functools.cache
def _scorers() -> tuple[SentimentIntensityAnalyzer, BulkScorer]:
    return packaged_nltk(), BulkScorer(Scorer())
