"""NLTK's VADER over a lexicon that needs no download."""

import hashlib
import math
import re
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from nltk.sentiment.vader import SentimentIntensityAnalyzer, VaderConstants

from shared.errors import ConfigError

# The lexicon that ships in the wheel of this name.
PACKAGED = "vaderSentiment"


class Scores(NamedTuple):
    """Shares of negative, neutral and positive words (0 … 1, 3 decimals) and the compound (−1 … 1, 4)."""

    neg: float
    neu: float
    pos: float
    compound: float


class Scorer:
    """Scores texts exactly as `nltk.sentiment.vader.SentimentIntensityAnalyzer` does, about twice as fast.

    `lexicon` is "vaderSentiment" (the file in that package) or the path of a file in NLTK's format:
    a line per word, `word<TAB>valence`, with anything after a second tab. `sha256` is that of the
    file's bytes. A Scorer is not for several threads at once.

    Raises ConfigError, which names the file and the line, if the lexicon can't be read.
    """

    def __init__(self, lexicon: str = PACKAGED) -> None:
        path = _packaged_lexicon() if lexicon == PACKAGED else Path(lexicon)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"lexicon {path}: can't be read: {error.strerror or error}") from None
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._constants = VaderConstants()
        # NLTK's own pattern runs under a wall-clock limit, which a machine that was asleep would break.
        self._constants.REGEX_REMOVE_PUNCTUATION = re.compile(VaderConstants.REGEX_REMOVE_PUNCTUATION.pattern)
        # Made without NLTK's constructor, which would look for a downloaded lexicon.
        self._analyzer = SentimentIntensityAnalyzer.__new__(SentimentIntensityAnalyzer)
        self._analyzer.lexicon = _parse(content, path)
        self._analyzer.constants = self._constants

    def score(self, text: str) -> Scores:
        """The four scores of one text. A text without words (empty, or only white space) gets zeros."""
        # NLTK glues each mark of PUNC_LIST to each word of the text, to find the words that stand
        # beside one. A mark that the text doesn't have can't: leaving it out changes nothing but time.
        self._constants.PUNC_LIST = [mark for mark in VaderConstants.PUNC_LIST if mark in text]
        return Scores(**self._analyzer.polarity_scores(text))


def _packaged_lexicon() -> Path:
    """The lexicon's path, found without importing the package that it is in."""
    try:
        files = metadata.files(PACKAGED) or []
    except metadata.PackageNotFoundError:
        raise ConfigError(
            f"the lexicon of {PACKAGED} is not installed: install that package, or name a lexicon's file"
        ) from None
    for file in files:
        if file.name == "vader_lexicon.txt":
            return Path(str(file.locate()))
    raise ConfigError(f"the package {PACKAGED} has no vader_lexicon.txt")


def _parse(content: bytes, path: Path) -> dict[str, float]:
    """NLTK's `make_lex_dict`, but saying which line is wrong and forgiving a newline at the end."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"lexicon {path}, line {number}: should be UTF-8") from None
    lexicon = {}
    for number, line in enumerate(text.rstrip("\r\n").split("\n"), 1):
        try:
            word, valence = line.strip().split("\t")[:2]
            lexicon[word] = float(valence)
        except ValueError:
            raise ConfigError(
                f"lexicon {path}, line {number}: should be a word, a tab and a number"
            ) from None
        if not math.isfinite(lexicon[word]):
            raise ConfigError(f"lexicon {path}, line {number}: the number should be finite")
    return lexicon
