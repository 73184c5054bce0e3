"""What one process of `make fuzz-text` does."""

import functools
from collections.abc import Callable

from nltk.sentiment.vader import SentimentIntensityAnalyzer

from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.scorer import Scorer
from tests.fuzz.normalized import make_untidy_texts
from tests.fuzz.reference import different, packaged_nltk
from tests.fuzz.texts import make_texts

BATCH = 20_000
# Of a batch, so many are normalized.
UNTIDY = 4_000


def differing(seed: int) -> list[str]:
    """The texts of one seed that have other scores than NLTK's, or than those of their normalized text."""
    analyzer, bulk, standard, normalized = _scorers()
    lexicon = sorted(analyzer.lexicon)
    found = different(make_texts(seed, BATCH - UNTIDY, lexicon), analyzer, bulk)
    untidy = make_untidy_texts(seed, UNTIDY, lexicon)
    return found + different(untidy, analyzer, standard, normalized)


@functools.cache
def _scorers() -> tuple[SentimentIntensityAnalyzer, BulkScorer, BulkScorer, Callable[[str], str]]:
    standard = Scorer(normalize=True)
    return packaged_nltk(), BulkScorer(Scorer()), BulkScorer(standard), standard.scored_as
