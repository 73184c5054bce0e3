"""NLTK's VADER over a lexicon that needs no download, one text at a time."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jobyard.shared.emoji import is_emoji
from jobyard.workers.sentiment.vader.explain import explain
from jobyard.workers.sentiment.vader.lexicon import PACKAGED, read_lexicon
from jobyard.workers.sentiment.vader.normalization import Normalizer, spelled
from jobyard.workers.sentiment.vader.rules import Analyzer, Sentence
from jobyard.workers.sentiment.vader.unseen import Unseen


class Scores(NamedTuple):
    """Shares of negative, neutral and positive words (0 … 1, 3 decimals) and the compound (−1 … 1, 4)."""

    neg: float
    neu: float
    pos: float
    compound: float


class Scorer:
    """Scores texts exactly as `nltk.sentiment.vader.SentimentIntensityAnalyzer` does, in linear time.

    `lexicon` is "vaderSentiment" (the file in that package) or the path of a file in NLTK's format:
    a line per word, `word<TAB>valence`, with anything after a second tab. `words` (in lower case: so are
    texts looked up) have their valences from here instead. `sha256` names the file's bytes, and `words` if
    there are any (`read_lexicon` says how). Safe for several threads.

    With `normalize`, or with emoji among `words`, a text has the scores that NLTK gives to what `normalizer`
    makes of it; `dropping` leaves out these emoji.

    Raises ConfigError, which names the file and the line, if the lexicon can't be read.
    """

    def __init__(
        self, lexicon: str = PACKAGED, words: Mapping[str, float] | None = None, *, normalize: bool = False
    ) -> None:
        own = [word for word in words or {} if is_emoji(word)]
        normalizer = Normalizer(standard=normalize, own=own)
        found = {
            spelled(word).lower() if is_emoji(word) else normalizer.word(word): valence
            for word, valence in (words or {}).items()
        }
        self.normalizer = normalizer if normalize or own else None
        self.dropping = Normalizer.that_drops(own) if own else None
        self.lexicon, self.sha256 = read_lexicon(lexicon, found)
        self._analyzer = Analyzer(self.lexicon)

    def score(self, text: str) -> Scores:
        """The four scores of one text. A text without words (empty, or only white space) gets zeros."""
        return self.score_plain(self.scored_as(text))

    def score_plain(self, text: str) -> Scores:
        """The four scores of a text as NLTK sees it."""
        sentiments = self._analyzer.sentiments(Sentence(text))
        return Scores(**self._analyzer.score_valence(sentiments, text))

    def explain(self, text: str) -> dict[str, Any]:
        """Why the text has its compound score: {"words", "punctuation"}, as `score_texts` says."""
        return explain(self.lexicon, self.scored_as(text))

    def unseen(self, text: str) -> Unseen:
        """What is in the text that NLTK can't see, but for emoji among `words`."""
        return Unseen.of(text if self.dropping is None else self.dropping.normalized(text))

    def scored_as(self, text: str) -> str:
        """The text that NLTK's rules apply to."""
        return text if self.normalizer is None else self.normalizer.normalized(text)
