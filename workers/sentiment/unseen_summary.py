"""How many of a file's texts have what VADER can't see, and about how many are not in English."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from jobyard.workers.sentiment.languages import SAMPLE, Languages
from jobyard.workers.sentiment.vader.unseen import Unseen, as_result


class UnseenSummary:
    """Counts batches of texts as they come: of a part of a file that has about so many `rows` in all."""

    def __init__(self, rows: int = 0) -> None:
        self._unseen = Unseen()
        self._languages = Languages()
        self._step = max(1, rows // SAMPLE)
        self._rows = 0

    def add(self, texts: pa.Array, unseen: Unseen) -> None:
        """Count a batch, an array of strings."""
        self._unseen = self._unseen.plus(unseen)
        first = -self._rows % self._step
        sample = texts.take(pa.array(range(first, len(texts), self._step), pa.int64()))
        self._languages = self._languages.plus(Languages.of(sample.drop_null().to_pylist()))
        self._rows += len(texts)

    def note(self) -> list[list[int]]:
        """What was counted, for `add_note`: whole numbers, so that no order matters."""
        return [[*self._unseen], [*self._languages]]

    def add_note(self, note: Sequence[Sequence[int]]) -> None:
        """Count what another has counted."""
        unseen, languages = note
        self._unseen = self._unseen.plus(Unseen(*unseen))
        self._languages = self._languages.plus(Languages(*languages))

    def result(self) -> dict[str, Any]:
        """As `as_result` says."""
        return as_result(self._unseen, self._languages.not_english())
