"""The text that is scored instead of one with emoji, curly quotes, HTML or invisible characters.

This is the reference: a text's scores are those that NLTK gives to what `Normalizer` makes of it.
"""

import re
from collections.abc import Iterable
from typing import Final, Self

from jobyard.shared.emoji import JOINTS, KEYCAP, PICTURES, SELECTORS, SIGNS, without_selectors
from jobyard.workers.sentiment.vader.emoji import descriptions
from jobyard.workers.sentiment.vader.html import without_html

APOSTROPHES: Final = "\u2018\u2019\u201a\u201b\u2039\u203a\u02bc\u2032\u00b4\uff07"
QUOTES: Final = "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\uff02"
# Soft hyphen, zero-width spaces, marks of direction, byte order marks.
INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0d\ufeff"
)

_STRAIGHT: Final = dict.fromkeys(APOSTROPHES, "'") | dict.fromkeys(QUOTES, '"')
_CURLY_OR_INVISIBLE: Final = re.compile(f"[{APOSTROPHES}{QUOTES}{INVISIBLE}]")
# Tags, which only flags have, come after something that the compiled loop knows.
_RUN: Final = re.compile(f"[{PICTURES}{SIGNS}{SELECTORS}\u200d\u20e3][{PICTURES}{SIGNS}{SELECTORS}{JOINTS}]*")
# It is slow where it finds nothing.
_RUN_WITH_KEYCAPS: Final = re.compile(f"(?:{KEYCAP}|{_RUN.pattern})+")
_JOINT: Final = re.compile(f"[{JOINTS}]")
_PICTURE: Final = re.compile(f"[{PICTURES}]")
# An emoji of one's own is written with it: NLTK leaves out words of one character.
_SPELLED: Final = "\ufe0f"


class Normalizer:
    """What comes before NLTK's rules: with `standard` all of it, else only `own`, emoji with a valence of
    their own, which become words like others.

    1. HTML entities become their characters, and tags spaces.
    2. Invisible characters are left out.
    3. Curly apostrophes and quotes become straight ones.
    4. An emoji becomes its description in the file of vaderSentiment, between spaces; of several characters
       the longest emoji that the file knows. One that it doesn't know stands between spaces, so that it
       doesn't hide the word beside it.
    5. White space becomes single spaces.

    A description's word of one character gets a full stop: NLTK would leave it out, and vaderSentiment counts
    it. So an emoji alone has the scores that vaderSentiment gives it.
    """

    def __init__(self, *, standard: bool, own: Iterable[str] = ()) -> None:
        self._standard = standard
        self._names = {emoji: _said(words) for emoji, words in descriptions().items()} if standard else {}
        self._names |= {without_selectors(emoji): spelled(emoji) for emoji in own}
        self._longest = max(map(len, self._names), default=0)

    @classmethod
    def that_drops(cls, own: Iterable[str]) -> Self:
        """One that leaves out these emoji, and changes nothing else but white space."""
        made = cls(standard=False, own=own)
        made._names = dict.fromkeys(made._names, "")
        return made

    def normalized(self, text: str) -> str:
        """The text that is scored instead of this one."""
        if self._standard:
            text = self._plain(without_html(text))
        runs = _RUN_WITH_KEYCAPS if "\u20e3" in text else _RUN
        return " ".join(runs.sub(self._named, text).split())

    def word(self, word: str) -> str:
        """How a word of one's own, which is no emoji, is found in such a text."""
        return self._plain(word) if self._standard else word

    def _plain(self, text: str) -> str:
        return _CURLY_OR_INVISIBLE.sub(_straight, text)

    def _named(self, run: re.Match[str]) -> str:
        """Emoji that stand together."""
        bare = without_selectors(run.group())
        parts = []
        is_known = self._standard
        start = 0
        while start < len(bare):
            for end in range(min(start + self._longest, len(bare)), start, -1):
                name = self._names.get(bare[start:end])
                if name is not None:
                    parts.append(f" {name} ")
                    is_known, start = True, end
                    break
            else:
                parts.append(self._unknown(bare[start]))
                start += 1
        return "".join(parts) if is_known else run.group()

    def _unknown(self, character: str) -> str:
        if not self._standard:
            return character
        if _JOINT.match(character):
            return ""
        return f" {character} " if _PICTURE.match(character) else character


def _straight(found: re.Match[str]) -> str:
    """An invisible character leaves nothing."""
    return _STRAIGHT.get(found[0], "")


def spelled(emoji: str) -> str:
    """An emoji of one's own as it is written in the text that is scored, and in the lexicon."""
    return without_selectors(emoji) + _SPELLED


def _said(description: str) -> str:
    return " ".join(f"{word}." if len(word) == 1 else word for word in description.split())
