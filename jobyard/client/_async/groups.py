"""The groups of a scored file."""

from collections.abc import AsyncIterator
from typing import Any

from jobyard.client._async.rows import AsyncRows
from jobyard.client.errors import Json
from jobyard.client.group_tables import group_columns
from jobyard.client.libraries import needed
from jobyard.client.plain_tables import frame_of_columns

LIMIT = 1_000


class AsyncGroups(AsyncRows):
    """Groups {value, rows, nulls, labels, mean, std, histogram}, the largest first, or a table.

    The table has `positive`, `neutral` and `negative` in place of `labels`.
    """

    async def _each(self) -> AsyncIterator[Json]:
        async for group in self._job._transport.items(f"{self._job._path}/groups", limit=LIMIT):
            yield group

    async def _table(self, library: str, purpose: str) -> Any:
        needed(library, purpose)
        return frame_of_columns(group_columns([group async for group in self]), library, purpose)
