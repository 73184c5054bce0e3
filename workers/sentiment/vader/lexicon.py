"""Reading a lexicon in NLTK's format: a line per word, `word<TAB>valence`."""

import hashlib
import math
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from jobyard.shared.errors import ConfigError

# The lexicon that ships in the wheel of this name.
PACKAGED = "vaderSentiment"


def read_lexicon(lexicon: str, words: Mapping[str, float]) -> tuple[dict[str, float], str]:
    """The valence of each word, and the SHA-256 of the file that says the same.

    That is the file's own where there are no `words`, which count over the file's. With them it is that of
    the file without newlines at its end, a newline, and a line `word<TAB>valence<NEWLINE>` for each of
    `words`, sorted, in UTF-8, with the valence as Python's `repr` of the float: a lexicon that can be made
    and used as a file.

    Raises ConfigError, which names the file and the line, if it can't be read.
    """
    path = packaged("vader_lexicon.txt") if lexicon == PACKAGED else Path(lexicon)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"lexicon {path}: can't be read: {error.strerror or error}") from None
    valences = _parse(content, path)
    if words:
        added = {word: float(valence) for word, valence in sorted(words.items())}
        lines = "".join(f"{word}\t{valence!r}\n" for word, valence in added.items())
        content = content.rstrip(b"\r\n") + b"\n" + lines.encode(errors="surrogatepass")
        valences |= added
    return valences, hashlib.sha256(content).hexdigest()


def packaged(name: str) -> Path:
    """The path of the lexicon's file, found without importing the package. Raises ConfigError."""
    try:
        files = metadata.files(PACKAGED) or []
    except metadata.PackageNotFoundError:
        raise ConfigError(
            f"the lexicon of {PACKAGED} is not installed: install that package, or name a lexicon's file"
        ) from None
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise ConfigError(f"the package {PACKAGED} has no {name}")


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
