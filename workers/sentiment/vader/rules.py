"""NLTK's own rules of VADER, without what takes NLTK longer than a text's length allows."""

import re

from nltk.sentiment.vader import SentimentIntensityAnalyzer, SentiText, VaderConstants

MARKS = frozenset(VaderConstants.PUNC_LIST)
# NLTK's own pattern runs under a wall-clock limit, which a machine that was asleep would break.
PUNCTUATION = re.compile(VaderConstants.REGEX_REMOVE_PUNCTUATION.pattern)


class Sentence(SentiText):  # type: ignore[misc]
    """A text's `words_and_emoticons`, and whether some but not all are in capitals (`is_cap_diff`)."""

    def __init__(self, text: str) -> None:
        super().__init__(text, VaderConstants.PUNC_LIST, PUNCTUATION)

    def _words_and_emoticons(self) -> list[str]:
        return [bare(token) for token in self.text.split() if len(token) > 1]


class Analyzer(SentimentIntensityAnalyzer):  # type: ignore[misc]
    """NLTK's analyzer over a lexicon that was read already."""

    def __init__(self, lexicon: dict[str, float]) -> None:
        self.lexicon = lexicon
        self.constants = VaderConstants()

    def sentiments(self, sentence: Sentence) -> list[float]:
        """What each word comes to. A repeated word counts as where it stood first: so does NLTK."""
        words = sentence.words_and_emoticons
        first: dict[str, int] = {}
        for index, word in enumerate(words):
            first.setdefault(word, index)
        found: list[float] = []
        for word in words:
            index = first[word]
            if self.is_booster(words, index):
                found.append(0)
            else:
                self.sentiment_valence(0, sentence, word, index, found)
        weighed: list[float] = self._but_check(words, found)
        return weighed

    def is_booster(self, words: list[str], index: int) -> bool:
        """Whether this word only strengthens or weakens others: it has no sentiment of its own then."""
        lower = words[index].lower()
        return lower in self.constants.BOOSTER_DICT or (
            lower == "kind" and index + 1 < len(words) and words[index + 1].lower() == "of"
        )


def bare(token: str) -> str:
    """The token without one mark before or after it, if the rest has no punctuation and is no single letter.

    NLTK glues every mark to every word of the text without punctuation, before and after, and looks the
    token up among them. What can be found there is the token's own rest: a word without punctuation that
    makes the token together with a mark.
    """
    rest = PUNCTUATION.sub("", token)
    if 1 < len(rest) < len(token) and (
        (token.endswith(rest) and token[: -len(rest)] in MARKS)
        or (token.startswith(rest) and token[len(rest) :] in MARKS)
    ):
        return rest
    return token
