"""Texts with all that is normalized: emoji, quotes, HTML and invisible characters, at and between words."""

import random
from collections.abc import Sequence

from jobyard.workers.sentiment.vader.emoji import descriptions
from tests.fuzz.texts import ODD, RULE_WORDS

MARKS = [
    *"’‘“”´«»\u200b\u00ad\ufeff\u200d\ufe0f",
    *("&amp;", "&#39;", "&#x2019;", "&nbsp;", "&amp;quot;", "&lt;3", "&amp", "&unknown;", "&#0;", "&#xd800;"),
    *(
        "<br>",
        "<br />",
        "</p>",
        "<a href='x'>",
        "<user>",
        "<3",
        "<b",
        "<!-- x -->",
        "<!DOCTYPE html>",
        "&",
        "<",
        ">",
    ),
]


def make_untidy_texts(seed: int, count: int, lexicon: Sequence[str]) -> list[str]:
    """So many texts of up to a dozen words: the same ones for the same seed and lexicon."""
    chance = random.Random(seed)
    emoji = sorted(descriptions())
    return [
        "".join(_piece(chance, lexicon, emoji) for _ in range(chance.randint(0, 12))) for _ in range(count)
    ]


def _piece(chance: random.Random, lexicon: Sequence[str], emoji: Sequence[str]) -> str:
    kind = chance.random()
    if kind < 0.5:
        word = chance.choice([chance.choice(lexicon), *RULE_WORDS, "don’t", "won’t", "isn´t"])
        word = chance.choice([word, word, word.upper(), word.title()])
    elif kind < 0.7:
        word = chance.choice(emoji) * chance.choice([1, 1, 1, 3])
        word += chance.choice(["", "", "\ufe0f", "\ufe0e", "\u200d", "🏽"])
    elif kind < 0.9:
        word = chance.choice(MARKS)
    else:
        word = chance.choice(ODD)
    return word + chance.choice([" ", " ", " ", "", "!", ", ", "\n", "\u00a0"])
