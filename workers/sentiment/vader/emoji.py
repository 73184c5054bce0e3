"""What emoji are called: the descriptions in the package vaderSentiment."""

import functools
from collections.abc import Mapping
from types import MappingProxyType

from jobyard.shared.emoji import without_selectors
from jobyard.shared.errors import ConfigError
from jobyard.workers.sentiment.vader.lexicon import packaged

EMOJI_FILE = "emoji_utf8_lexicon.txt"


@functools.cache
def descriptions() -> Mapping[str, str]:
    """Each emoji, without the characters that say how it is shown, and its description in the file.

    Raises ConfigError, which names the file and the line, if it can't be read.
    """
    path = packaged(EMOJI_FILE)
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"emoji {path}: can't be read: {error}") from None
    found = {}
    for number, line in enumerate(lines, 1):
        emoji, tab, rest = line.strip().partition("\t")
        if not (tab and emoji):
            raise ConfigError(f"emoji {path}, line {number}: should be an emoji, a tab and its description")
        found[without_selectors(emoji)] = rest.partition("\t")[0]
    return MappingProxyType(found)
