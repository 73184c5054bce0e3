"""The scores of a job, of a file or of texts."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from jobyard.client._async.rows import AsyncRows
from jobyard.client._async.transport import WRITING_SECONDS
from jobyard.client.errors import Json, NotFound
from jobyard.client.libraries import needed
from jobyard.client.open_files import temporary_folder
from jobyard.client.parameters import given, query
from jobyard.client.runtime import AsyncRuntime
from jobyard.client.score_tables import TEXT, Question, chosen, of_texts, scored_file, table_of

if TYPE_CHECKING:
    from jobyard.client._async.job import AsyncJob

# Of a page.
LIMIT = 1_000


class AsyncScores(AsyncRows):
    """Rows {row, columns, neg, neu, pos, compound, label}, or a table with the same columns.

    The table of a job that this program made of a data frame or series has that, with its index and all its
    columns, before `neg`, `neu`, `pos`, `compound` and `label`; of its own columns, those called like these
    get `_original` behind their names, as in a scored file. Without one, it is the scored file as it is; in
    pandas the numbers of its rows are the index, unless it is sorted by a column of the file's own. It comes
    in one request, however many rows it has.
    """

    def __init__(self, job: "AsyncJob", question: Question, joined_to: Any) -> None:
        super().__init__(job)
        self._question = question
        self._given = joined_to

    async def _each(self) -> AsyncIterator[Json]:
        if self._job.spec.get("texts") is not None and self._job.kind == "sentiment":
            await self._result()
            for row in chosen(of_texts(self._job.raw), self._question.check()):
                yield row
        else:
            asked = given(self._question._asdict())
            async for row in self._job._transport.items(f"{self._job._path}/scores", limit=LIMIT, **asked):
                yield row

    async def _table(self, library: str, purpose: str) -> Any:
        needed(library, purpose)
        if self._job.kind != "sentiment":
            raise NotFound(f"job {self._job.id} does not score texts")
        is_of_texts = self._job.spec.get("texts") is not None
        question = self._question.check(of_server=not is_of_texts and self._given is None)
        result = await self._result()
        if is_of_texts:
            rows = of_texts(self._job.raw)
            return await AsyncRuntime.run(table_of, rows, TEXT, question, self._given, library, purpose)
        name, texts = scored_file(self._job.raw), str(result["column"])
        with ExitStack() as opened:
            file = temporary_folder(opened) / "scored.parquet"
            if self._given is not None or question.is_local(texts):
                await self._job.download(name, file)
            else:
                asked = query(question._asdict())
                address = f"{self._job._path}/scores.parquet?{asked}"
                await self._job._transport.download(address, file, longer=WRITING_SECONDS)
                question = Question()
            return await AsyncRuntime.run(table_of, file, texts, question, self._given, library, purpose)
