"""Broken rows: they fail the work, or are skipped and reported."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from jobyard.shared.errors import WorkError

SHOWN = 100


class Broken:
    """The first broken row fails the work; or, to `skip`, all are left out, and the first are reported.

    `source` is the file that they are of, where there are several. `numbered` is what the number of a row is
    that of: "line", or "row" where lines have several.
    """

    def __init__(self, *, skip: bool, source: str = "", numbered: str = "line") -> None:
        self.skip = skip
        self.numbered = numbered
        self._source = source
        self.count = 0
        self.first: list[dict[str, Any]] = []

    @property
    def room(self) -> int:
        """How many more are reported. Of others it need not be known why they are broken."""
        return SHOWN - len(self.first)

    def rows(self, count: int, first: Iterable[tuple[int, str]]) -> None:
        """So many rows are broken, the first of which are on these lines, and why.

        `first` is read as far as there is `room`. Raises WorkError unless they are to be left out.
        """
        if self.room:
            shown = [{"line": line, "error": why} for line, why in islice(first, self.room)]
            if not self.skip:
                where = f"{self._source}: " if self._source else ""
                raise WorkError(f"{where}{self.numbered} {shown[0]['line']}: {shown[0]['error']}")
            self.first += [{"source": self._source, **one} for one in shown] if self._source else shown
        self.count += count

    def add(self, count: int, first: list[dict[str, Any]]) -> None:
        """So many more, the first of which are these."""
        self.count += count
        self.first += first[: self.room]
