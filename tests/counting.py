"""How often something happens to the engines of this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa


@contextmanager
def counting(event: str) -> Iterator[list[int]]:
    """One entry for each such event of any engine: a database has one to read and one to write."""
    seen: list[int] = []

    def count(*_: Any) -> None:
        seen.append(1)

    sa.event.listen(sa.Engine, event, count)
    yield seen
    sa.event.remove(sa.Engine, event, count)
