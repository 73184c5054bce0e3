"""What NLTK's VADER can't see in a text, though people can: emoji, curly quotes, HTML."""

import functools
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from jobyard.shared.emoji import JOINTS, PICTURES, SELECTORS, SIGNS
from jobyard.workers.sentiment.vader.emoji import descriptions
from jobyard.workers.sentiment.vader.html import has_html
from jobyard.workers.sentiment.vader.normalization import APOSTROPHES, INVISIBLE, QUOTES

# What a character may be, as bits; a text is all that its characters are. MAYBE_HTML is to be looked at.
EMOJI, CURLY, MAYBE_HTML, OTHER = (1 << bit for bit in range(4))
ANY: Final = EMOJI | CURLY | MAYBE_HTML | OTHER
# Of the emoji in the file of vaderSentiment, those before are signs that texts of all kinds have (© ™ ↔),
# except watches and the like.
_FIRST_EMOJI, _WATCHES = 0x2600, range(0x2300, 0x2460)


@functools.cache
def patterns() -> Mapping[int, re.Pattern[str]]:
    """For each bit the characters that have it. Where none is, `Normalizer` changes no text's scores."""
    firsts = {emoji[0] for emoji in descriptions()}
    emoji = "".join(first for first in sorted(firsts) if ord(first) >= _FIRST_EMOJI or ord(first) in _WATCHES)
    return {
        EMOJI: re.compile(f"[{emoji}\\U0001f000-\\U0001ffff\\ufe0f\\u20e3]"),
        CURLY: re.compile(f"[{APOSTROPHES}{QUOTES}]"),
        MAYBE_HTML: re.compile("[&<]"),
        OTHER: re.compile(f"[{PICTURES}{SIGNS}{SELECTORS}{JOINTS}{INVISIBLE}]"),
    }


def kinds(text: str) -> int:
    """What is in the text, as bits."""
    return sum(kind for kind, pattern in patterns().items() if pattern.search(text))


class Unseen(NamedTuple):
    """How many texts have emoji, curly quotes or apostrophes, and HTML."""

    emoji: int = 0
    curly: int = 0
    html: int = 0

    @classmethod
    def of(cls, text: str) -> "Unseen":
        """Of a single text: 0 or 1 each."""
        found = kinds(text)
        html = bool(found & MAYBE_HTML) and has_html(text)
        return cls(int(bool(found & EMOJI)), int(bool(found & CURLY)), int(html))

    def plus(self, other: "Unseen") -> "Unseen":
        """Of more texts."""
        return Unseen(*map(sum, zip(self, other, strict=True)))


def as_result(unseen: Unseen, not_english: float | None) -> dict[str, Any]:
    """What a job's result says: {"emoji", "curly", "html", "not_english"}.

    Numbers of texts, whether or not `normalize` put into words what is in them; and the share of the texts
    that are surely not in English, in a sample, or None if none has letters.
    """
    return {**unseen._asdict(), "not_english": not_english}
