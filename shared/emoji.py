"""What is an emoji, whatever the Unicode that this Python knows: for words of one's own, and for VADER."""

import re
from typing import Final

# Emoji, and signs and pictures that are none but look like some: characters as a class of `re` has them.
PICTURES: Final = "\u2600-\u27bf\U0001f000-\U0001ffff"
SIGNS: Final = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u2460-\u25ff\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299"
)
# How the emoji before is to be shown: as a picture (U+FE0F) or as a letter.
SELECTORS: Final = "\ufe0e\ufe0f"
# What makes one emoji of several characters: joiner, keycap, and the tags of flags.
JOINTS: Final = "\u200d\u20e3\U000e0020-\U000e007f"
KEYCAP: Final = "[0-9#*]\ufe0f?\u20e3"

_EMOJI = re.compile(f"(?:{KEYCAP}|[{PICTURES}{SIGNS}][{SELECTORS}{JOINTS}]*)+")
_SELECTOR = re.compile(f"[{SELECTORS}]")


def is_emoji(word: str) -> bool:
    """Whether the word is one emoji or several, and nothing else."""
    return _EMOJI.fullmatch(word) is not None


def without_selectors(word: str) -> str:
    """The same emoji in the way that doesn't say how it is to be shown."""
    return _SELECTOR.sub("", word)
