"""Why a text has its compound score: what NLTK's rules did to each word's valence, step by step."""

from typing import Any

from nltk.sentiment.vader import VaderConstants

from jobyard.workers.sentiment.vader.rules import Analyzer, Sentence

IDIOMS: dict[str, float] = VaderConstants.SPECIAL_CASE_IDIOMS


def explain(lexicon: dict[str, float], text: str) -> dict[str, Any]:
    """What `workers.sentiment.vader.texts.score_texts` documents: {"words", "punctuation"}."""
    sentence = Sentence(text)
    words = sentence.words_and_emoticons
    witness = _Witness(lexicon)
    explained: list[dict[str, Any]] = []
    first: dict[str, int] = {}
    for index, word in enumerate(words):
        first.setdefault(word, index)
        score, because = witness.ask(sentence, first[word])
        explained.append(
            {
                "word": word,
                "first": first[word],
                "valence": lexicon.get(word.lower(), 0.0),
                "score": score,
                "because": because,
            }
        )
    scores = witness._but_check(words, [word["score"] for word in explained])
    for word, score in zip(explained, scores, strict=True):
        if score != word["score"]:
            word["because"].append({"rule": "but", "word": "but", "change": score - word["score"]})
            word["score"] = score
    total = sum(scores)
    emphasis = witness._punctuation_emphasis(total, text)
    sign = (total > 0) - (total < 0)
    return {"words": explained, "punctuation": float(sign * emphasis)}


class _Witness(Analyzer):
    """NLTK's analyzer, with the valence recorded after each of its rules."""

    def __init__(self, lexicon: dict[str, float]) -> None:
        super().__init__(lexicon)
        self.constants = _Constants(self)
        self._valence = 0.0
        self._because: list[dict[str, Any]] = []

    def ask(self, sentence: Sentence, index: int) -> tuple[float, list[dict[str, Any]]]:
        """What the word comes to before "but", and why."""
        words = sentence.words_and_emoticons
        self._valence = self.lexicon.get(words[index].lower(), 0.0)
        self._because = []
        if self.is_booster(words, index):
            self.saw("booster", None, 0)
            return 0, self._because
        score: float = self.sentiment_valence(0, sentence, words[index], index, [])[0]
        return score, self._because

    def saw(self, rule: str, word: str | None, valence: float) -> None:
        """Note what the valence is now, if that is another one."""
        if valence != self._valence:
            self._because.append({"rule": rule, "word": word, "change": valence - self._valence})
            self._valence = valence

    def _never_check(self, valence: float, words: list[str], start_i: int, i: int) -> float:
        self.saw("booster", words[i - start_i - 1], valence)
        after: float = super()._never_check(valence, words, start_i, i)
        if (after < 0) != (valence < 0):
            self.saw("negation", words[i - start_i - 1], after)
        else:
            self.saw("so", words[i - 1] if words[i - 1] in ("so", "this") else words[i - 2], after)
        return after

    def _idioms_check(self, valence: float, words: list[str], i: int) -> float:
        after: float = super()._idioms_check(valence, words, i)
        around = f" {' '.join(words[i - 3 : i + 3])} "
        values = (after, after - VaderConstants.B_DECR)
        for idiom, value in IDIOMS.items():
            if value in values and f" {idiom} " in around:
                self.saw("idiom", idiom, value)
        pair = " ".join(words[i - 3 : i - 1])
        self.saw(
            "booster", pair if pair in self.constants.BOOSTER_DICT else " ".join(words[i - 2 : i]), after
        )
        return after

    def _least_check(self, valence: float, words: list[str], i: int) -> float:
        # For want of words before it that could have changed it.
        self.saw("capitals", None, valence)
        after: float = super()._least_check(valence, words, i)
        self.saw("least", words[i - 1], after)
        return after


class _Constants(VaderConstants):  # type: ignore[misc]
    def __init__(self, witness: _Witness) -> None:
        super().__init__()
        self._witness = witness

    def scalar_inc_dec(self, word: str, valence: float, is_cap_diff: bool) -> float:
        # The rule that comes before the first look at other words.
        self._witness.saw("capitals", None, valence)
        scalar: float = super().scalar_inc_dec(word, valence, is_cap_diff)
        return scalar
