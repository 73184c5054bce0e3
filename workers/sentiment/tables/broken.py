"""Broken rows: they fail the work, or are skipped and reported."""

from typing import Any

from jobyard.shared.errors import WorkError

SHOWN = 100


class Broken:
    """The first broken row fails the work; or, to `skip`, all are left out, and the first are reported."""

    def __init__(self, *, skip: bool) -> None:
        self._skip = skip
        self.count = 0
        self.first: list[dict[str, Any]] = []

    def row(self, line: int, why: str) -> None:
        """This row is broken. Raises WorkError unless it is to be left out."""
        if not self._skip:
            raise WorkError(f"line {line}: {why}")
        self.add(1, [{"line": line, "error": why}])

    def add(self, count: int, first: list[dict[str, Any]]) -> None:
        """So many more, the first of which are these."""
        self.count += count
        self.first += first[: SHOWN - len(self.first)]
