"""A job, as the client sees it."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

from jobyard.client._async.again import run_again
from jobyard.client._async.groups import AsyncGroups
from jobyard.client._async.predictions import AsyncPredictions
from jobyard.client._async.scores import AsyncScores
from jobyard.client._async.transport import WRITING_SECONDS, AsyncTransport
from jobyard.client._async.watching import AsyncWatching
from jobyard.client.arguments import checked
from jobyard.client.errors import BadRequest, Json
from jobyard.client.job import PREDICTIONS_FORMATS, SCORES_FORMATS
from jobyard.client.metric_history import MetricHistory
from jobyard.client.parameters import query, segment
from jobyard.client.saved_predictions import check_renamed, rename
from jobyard.client.score_tables import Question
from jobyard.client.types import shown

# Fields of a spec that say what a job works on: rows of another source belong to nothing that was given.
SOURCES = frozenset({"texts", "file", "files", "images", "archive", "dataset", "errors"})


@checked
class AsyncJob(AsyncWatching):
    """One job, as the server last sent it (`refresh` gets it again).

    The fields of the API's JSON are attributes; `raw` is all of it. `progress` is {done, total, unit,
    eta_seconds, per_second}, `error` {type, message}; times are texts in RFC 3339. Methods raise a
    JobyardClientError, as those of `AsyncClient` do.

    In an `async with` block the job is cancelled where an exception or an interrupt leaves the block, and
    waited for at its end.
    """

    def __init__(self, transport: AsyncTransport, raw: Json) -> None:
        super().__init__(transport, raw)
        self._joined_to: Any = None
        self._called: Mapping[str, str] = {}

    async def pause(self) -> Self:
        """Pause the job: a queued one at once, a running one at its next step. A training keeps its progress.

        Raises Conflict if it is not queued, running or waiting.
        """
        self._take(await self._transport.post(f"{self._path}/pause"))
        return self

    async def resume(self) -> Self:
        """Resume a paused job. Raises Conflict if it is not paused."""
        self._take(await self._transport.post(f"{self._path}/resume"))
        return self

    async def retry(self) -> Self:
        """Run a failed or cancelled job again, from the start. Raises Conflict in any other state."""
        self._take(await self._transport.post(f"{self._path}/retry"))
        return self

    async def request(self) -> Json:
        """What would run the job again: {request, alternatives, missing}.

        `request` is {kind, priority, spec, name, labels}; `missing` are the ids of uploads that it read and
        that were deleted since. Raises Conflict for a part of another job.
        """
        return await self._transport.get(f"{self._path}/request")

    async def again(self, *, priority: int | None = None, **changes: object) -> "AsyncJob":
        """Submit what the job was asked to do once more, with other values of some fields of its spec.

        `changes` are fields of the spec, as for `Client.submit`; None is the default. What the job read is
        not uploaded again. A source takes the place of another one: texts=[…] that of a file. Name and labels
        are the job's own. Returns the new job. Raises Conflict for a part of another job, and BadRequest for
        a wrong field, or for a file that was deleted since and that nothing replaces.
        """
        job = AsyncJob(self._transport, await run_again(self._transport, self.id, changes, priority))
        return job if SOURCES & set(changes) else job._remember(self._joined_to, self._called)

    async def delete(self) -> None:
        """Delete the job, which has ended, with its results and files, and uploads that no other job reads.

        Data sets and models that it made are kept. Raises NotFound, and Conflict if it has not ended, or
        something needs it.
        """
        await self._transport.delete(self._path)

    async def update(self, **changes: object) -> Self:
        """Change `name`, `labels`, `note`, `keep`, and the `priority` of a queued or paused job.

        What is left out stays. None removes a name or a note. Of `labels`, those given are set, and those
        that are None removed; labels=None removes all. Raises Conflict for the priority of any other job.
        """
        self._take(await self._transport.patch(self._path, changes))
        return self

    async def metrics(
        self, name: str | None = None, points: int | None = None, *, system: bool = False
    ) -> MetricHistory:
        """The metric history by name and step: [{name, step, epoch, value, at}].

        Of the metric `name`, or all; at most `points` of each, extremes included. A value that was not
        finite is None. With `system` what the job used, by seconds of its attempt: `system/memory_bytes`, ….
        Its `to_pandas()`, `to_polars()` and `to_arrow()` have a column for each metric.
        """
        kind = {"system": "true"} if system else {}
        found = await self._transport.all_items(f"{self._path}/metrics", name=name, points=points, **kind)
        if name is None and not system:
            self._history = found
        return MetricHistory(found)

    async def events(self) -> list[Json]:
        """The timeline, oldest first: [{id, at, state, attempt, phase, message, worker, traceback}]."""
        return await self._transport.all_items(f"{self._path}/events", following="after")

    async def logs(self, *, attempt: int | None = None, after: str | None = None) -> list[Json]:
        """What its work printed and logged: [{attempt, begins, left_out, text, at, cursor}], pieces in order.

        Of one attempt, or of all. `after`: the `cursor` of the last piece that was read.
        """
        found: list[Json] = []
        while True:
            page = await self._transport.get(f"{self._path}/logs", attempt=attempt, after=after)
            found += page["items"]
            if (after := page.get("next")) is None:
                return found

    def predictions(self, *, label: str | None = None, sort: str | None = None) -> AsyncPredictions:
        """All rows of a prediction: {image, label, probability, probabilities, error, overlay}.

        With `label`, only those; `sort` is "row" (the order of the pictures) or "probability" (the least
        probable label first). `to_pandas()`, `to_polars()` and `to_arrow()` give them as a table.
        """
        return AsyncPredictions(self, label, sort, self._joined_to, self._called)

    async def save_predictions(
        self,
        path: str | Path,
        *,
        format: str | None = None,  # noqa: A002 - the word of the API
        label: str | None = None,
        sort: str | None = None,
        escape_formulas: bool = False,
    ) -> Path:
        """Save rows of a prediction as a table, all or as for `predictions`: `path`, which is returned.

        Pictures are called as in `predictions`; where that is otherwise than on the server, a Parquet file
        needs PyArrow or polars. `format` is "csv" or "parquet"; by default Parquet if the path ends in
        .parquet, else CSV. `escape_formulas`: in CSV, put an apostrophe before what a spreadsheet would run
        as a formula.

        Raises NotFound if the job is not a prediction, and Conflict until it has succeeded.
        """
        path = Path(path)
        kind = format or ("parquet" if path.suffix.lower() == ".parquet" else "csv")
        if kind not in PREDICTIONS_FORMATS:
            raise BadRequest(f"format: should be {' or '.join(PREDICTIONS_FORMATS)}, but is {shown(kind)}")
        change = None
        if self._called:
            check_renamed(kind)
            change = partial(rename, target=path, kind=kind, called=self._called, is_escaped=escape_formulas)
        is_escaped = escape_formulas and kind == "csv" and change is None
        escape = {"escape_formulas": "true"} if is_escaped else {}
        asked = query({"label": label, "sort": sort} | escape)
        await self._transport.download(
            f"{self._path}/predictions.{kind}?{asked}".rstrip("?"), path, change=change
        )
        return path

    def scores(
        self, *, label: str | None = None, sort: str | None = None, search: str | None = None
    ) -> AsyncScores:
        """Rows of texts, or of a file scored as Parquet: {row, columns, neg, neu, pos, compound, label}.

        With `label` or `search` (in the texts, in any case), only those; `sort` is "row", "compound" (the
        most negative first), "-compound", or any other column of a file. `to_pandas()`, `to_polars()` and
        `to_arrow()` give them as a table, joined to the data frame or series that was given. Raises Conflict
        until the job has succeeded.
        """
        return AsyncScores(self, Question(label, sort, search), self._joined_to)

    def groups(self) -> AsyncGroups:
        """Groups of a scored file, the largest first: {value, rows, nulls, labels, mean, std, histogram}.

        `to_pandas()`, `to_polars()` and `to_arrow()` give them as a table. Raises NotFound if the job has no
        groups, and Conflict until it has succeeded.
        """
        return AsyncGroups(self)

    async def files(self) -> list[Json]:
        """The job's artifacts: [{name, bytes, sha256, media_type, links}]."""
        return await self._transport.all_items(f"{self._path}/files")

    async def download(self, name: str, path: str | Path) -> Path:
        """Save the artifact `name` as `path`, which is returned. Raises NotFound."""
        path = Path(path)
        await self._transport.download(f"{self._path}/files/{segment(name, 'name')}", path)
        return path

    async def save_scores(
        self,
        path: str | Path,
        *,
        format: str | None = None,  # noqa: A002 - the word of the API
        label: str | None = None,
        search: str | None = None,
        sort: str | None = None,
        escape_formulas: bool = False,
    ) -> Path:
        """Save the rows of a file that was scored as Parquet, all or as for `scores`, as `path`: returned.

        `format` is "csv", "parquet", "jsonl" or "xlsx"; by default the suffix of the path. `escape_formulas`:
        in CSV, put an apostrophe before what a spreadsheet would run as a formula. Raises BadRequest for
        another format, NotFound if the job scored no file, and Conflict until it has succeeded.
        """
        path = Path(path)
        escape = {"escape_formulas": "true"} if escape_formulas else {}
        asked = query({"label": label, "search": search, "sort": sort} | escape)
        kind = format or path.suffix.lower().lstrip(".")
        if kind not in SCORES_FORMATS:
            if format:
                raise BadRequest(f"format: should be {' or '.join(SCORES_FORMATS)}, but is {shown(format)}")
            right = f"should end in .{', .'.join(SCORES_FORMATS)}, or give a format"
            raise BadRequest(f"path: {right}, but is {str(path)!r}")
        address = f"{self._path}/scores.{kind}?{asked}".rstrip("?")
        await self._transport.download(address, path, longer=WRITING_SECONDS)
        return path

    async def save_history(self, path: str | Path) -> Path:
        """Save a training's chart of accuracy and loss as a PNG. Raises NotFound before its first epoch."""
        path = Path(path)
        await self._transport.download(f"{self._path}/history.png", path)
        return path

    def _remember(self, joined_to: Any, called: Mapping[str, str] | None = None) -> Self:
        """What it was made of, in this program: a frame or series that its results are joined to, and what
        pictures were given as, by their names on the server."""
        self._joined_to = joined_to
        self._called = {name: given for name, given in (called or {}).items() if name != given}
        return self
