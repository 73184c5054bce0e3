"""Pages of lists: so many rows, and not more bytes than one answer should have."""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

# A page ends early where its rows are long.
PAGE_BYTES: Final = 4_000_000

Row = TypeVar("Row")


def take(
    rows: Iterable[Row], size: Callable[[Row], int], *, limit: int | None = None
) -> tuple[list[Row], bool]:
    """As many of the rows as fit into a page, at least one if there is any; and whether more were left.

    No row is read beyond the first that doesn't fit.
    """
    found: list[Row] = []
    total = 0
    for row in rows:
        total += size(row)
        if found and (len(found) == limit or total > PAGE_BYTES):
            return found, True
        found.append(row)
    return found, False
