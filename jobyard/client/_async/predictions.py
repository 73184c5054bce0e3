"""The rows of a prediction."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from jobyard.client._async.rows import AsyncRows
from jobyard.client.errors import Json
from jobyard.client.libraries import needed
from jobyard.client.open_files import temporary_folder
from jobyard.client.prediction_tables import check_sort, table_of
from jobyard.client.runtime import AsyncRuntime

if TYPE_CHECKING:
    from jobyard.client._async.job import AsyncJob

LIMIT = 500


class AsyncPredictions(AsyncRows):
    """Rows {image, label, probability, probabilities, error, overlay}, or a table.

    The table has the columns `row`, `image`, `label`, `probability`, `error` and one for each class,
    `probability_cat`; that of a job that this program made of a series of paths has its column and index in
    place of the first two. `image` is what the picture was given as: its path, or its number from 0.
    """

    def __init__(
        self,
        job: "AsyncJob",
        label: str | None,
        sort: str | None,
        joined_to: Any,
        called: Mapping[str, str],
    ) -> None:
        super().__init__(job)
        self._label, self._sort = label, sort
        self._given, self._called = joined_to, called

    async def _each(self) -> AsyncIterator[Json]:
        asked: Json = {"label": self._label, "sort": self._sort}
        path = f"{self._job._path}/predictions"
        async for row in self._job._transport.items(path, limit=LIMIT, **asked):
            yield row | {"image": self._called.get(row["image"], row["image"])}

    async def _table(self, library: str, purpose: str) -> Any:
        needed(library, purpose)
        check_sort(self._sort)
        with ExitStack() as opened:
            file = temporary_folder(opened) / "predictions.parquet"
            await self._job._transport.download(f"{self._job._path}/predictions.parquet", file)
            return await AsyncRuntime.run(
                table_of,
                file,
                label=self._label,
                sort=self._sort,
                given=self._given,
                called=self._called,
                library=library,
                purpose=purpose,
            )
