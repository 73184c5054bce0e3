"""Rows of a result: one by one as the server sends them, or as one table."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from jobyard.client.errors import Conflict, Json

if TYPE_CHECKING:
    from jobyard.client._async.job import AsyncJob


class AsyncRows(ABC):
    """Each is a dict, fetched lazily, page by page; the methods `to_…` give all of them as a table at once.

    A loop begins with the first row each time; `anext` goes on where it was.
    """

    def __init__(self, job: "AsyncJob") -> None:
        self._job = job
        self._begun: AsyncIterator[Json] | None = None

    def __aiter__(self) -> AsyncIterator[Json]:
        return self._each()

    async def __anext__(self) -> Json:
        if self._begun is None:
            self._begun = self._each()
        return await anext(self._begun)

    async def to_pandas(self) -> Any:
        """A `pandas.DataFrame`. Raises JobyardClientError where pandas or PyArrow isn't installed."""
        return await self._table("pandas", "to_pandas()")

    async def to_polars(self) -> Any:
        """A `polars.DataFrame`. Raises JobyardClientError where polars isn't installed."""
        return await self._table("polars", "to_polars()")

    async def to_arrow(self) -> Any:
        """A `pyarrow.Table`. Raises JobyardClientError where PyArrow isn't installed."""
        return await self._table("pyarrow", "to_arrow()")

    @abstractmethod
    def _each(self) -> AsyncIterator[Json]:
        """The rows."""

    @abstractmethod
    async def _table(self, library: str, purpose: str) -> Any:
        """All of them as a frame of the library; `purpose` is the method that needs it."""

    async def _result(self) -> Json:
        """The result of the job, whole. Raises Conflict if it hasn't succeeded."""
        job = self._job
        if not job.succeeded or job.result is None or job.raw.get("truncated"):
            await job.refresh()
        if not job.succeeded or job.result is None:
            raise Conflict(f"job {job.id} is {job.state}; its rows can be read when it has succeeded")
        return job.result
