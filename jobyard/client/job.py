"""A job, as the client sees it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from jobyard.client.again import run_again
from jobyard.client.errors import JobyardClientError, Json
from jobyard.client.transport import Transport, segment

TERMINAL = frozenset({"succeeded", "failed", "cancelled"})

# The longest wait of one request for a change of state.
POLL_SECONDS = 20.0
BREATH_SECONDS = 0.5


class JobFailed(JobyardClientError):
    """The job failed or was cancelled; `job` has the error."""

    def __init__(self, job: "Job") -> None:
        why = f": {job.error['message']}" if job.error else ""
        super().__init__(f"job {job.id} {'was cancelled' if job.state == 'cancelled' else job.state}{why}")
        self.job = job


class WaitTimeout(JobyardClientError):
    """The job is still running, but the time to wait for it is over."""


class Job:
    """One job, as the server last sent it (`refresh` gets it again).

    The fields of the API's JSON are attributes; `raw` is all of it. `progress` is {done, total, unit,
    eta_seconds, per_second}, `error` {type, message}; times are texts in RFC 3339. Methods raise a
    JobyardClientError, as those of `Client` do.
    """

    id: str
    kind: str
    state: str
    phase: str | None
    queue: str
    priority: int
    spec: Json
    result: Json | None
    error: Json | None
    progress: Json | None
    attempt: int
    max_attempts: int
    position: int | None
    parent_id: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    links: dict[str, str]

    def __init__(self, transport: Transport, raw: Json) -> None:
        self._transport = transport
        self._take(raw)

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.kind} {self.state}>"

    @property
    def done(self) -> bool:
        """Whether the job has ended, one way or another."""
        return self.state in TERMINAL

    @property
    def stalled_since(self) -> str | None:
        """Since when a running job has made no progress, if that is too long; earlier servers don't say."""
        since: str | None = self.raw.get("stalled_since")
        return since

    @property
    def waiting_for(self) -> str | None:
        """What keeps a queued job beside those before it: its queue is paused, has no running worker or has
        reached its limit of running jobs, or the token that submitted it its quota.

        A job of a list doesn't say.
        """
        why: str | None = self.raw.get("waiting_for")
        return why

    @property
    def title(self) -> str:
        """What the job is called: its name, or what it does. Of earlier servers, its kind."""
        return str(self.raw.get("title", self.kind))

    @property
    def created_by(self) -> str | None:
        """The name of the token that submitted it; None of old jobs, and of earlier servers."""
        created_by: str | None = self.raw.get("created_by")
        return created_by

    @property
    def name(self) -> str | None:
        """What its owner called it."""
        name: str | None = self.raw.get("name")
        return name

    @property
    def labels(self) -> dict[str, str]:
        """Its labels; {} if it has none."""
        return dict(self.raw.get("labels") or {})

    @property
    def note(self) -> str | None:
        """What is to be remembered of it; in a list, its beginning."""
        note: str | None = self.raw.get("note")
        return note

    @property
    def keep(self) -> bool:
        """Whether retention leaves it."""
        return bool(self.raw.get("keep"))

    @property
    def usage(self) -> Json | None:
        """{peak_memory_bytes, cpu_seconds, gpu_seconds, …}; None of a quick job, and of earlier servers."""
        used: Json | None = self.raw.get("usage")
        return used

    @property
    def succeeded(self) -> bool:
        return self.state == "succeeded"

    def link(self, name: str) -> str:
        """The absolute URL of one of its `links`: page, metrics, history, …"""
        return self._transport.url + self.links[name]

    def refresh(self, wait: float | None = None) -> Self:
        """Get the job as it is now; with `wait`, at its next change of state or after so many seconds."""
        if wait is None:
            self._take(self._transport.get(self._path))
            return self
        before, asked = self.state, time.monotonic()
        self._take(self._transport.get(self._path, longer=wait, wait=wait))
        # A server with many waiters answers some at once: they must not come back at once.
        early = wait - (time.monotonic() - asked)
        if self.state == before and early > 0 and not self.done:
            time.sleep(min(early, BREATH_SECONDS))
        return self

    def wait(self, timeout: float | None = None, *, check: bool = True) -> Self:
        """Return when the job has ended.

        Raises WaitTimeout after `timeout` seconds, and JobFailed if the job failed or was cancelled
        (not with check=False).
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.done:
            left = POLL_SECONDS if deadline is None else min(POLL_SECONDS, deadline - time.monotonic())
            if left <= 0:
                raise WaitTimeout(f"job {self.id} is still {self.state} after {timeout:g} seconds")
            self.refresh(wait=round(left, 3))
        if check and not self.succeeded:
            raise JobFailed(self)
        return self

    def cancel(self) -> Self:
        """Cancel the job: a queued one at once, a running one at its next step (`wait` for it).

        Raises Conflict if it has ended.
        """
        self._take(self._transport.post(f"{self._path}/cancel"))
        return self

    def pause(self) -> Self:
        """Pause the job: a queued one at once, a running one at its next step. A training keeps its progress.

        Raises Conflict if it is not queued, running or waiting.
        """
        self._take(self._transport.post(f"{self._path}/pause"))
        return self

    def resume(self) -> Self:
        """Resume a paused job. Raises Conflict if it is not paused."""
        self._take(self._transport.post(f"{self._path}/resume"))
        return self

    def retry(self) -> Self:
        """Run a failed or cancelled job again, from the start. Raises Conflict in any other state."""
        self._take(self._transport.post(f"{self._path}/retry"))
        return self

    def request(self) -> Json:
        """What would run the job again: {request, alternatives, missing}.

        `request` is {kind, priority, spec, name, labels}; `missing` are the ids of uploads that it read and
        that were deleted since. Raises Conflict for a part of another job.
        """
        return self._transport.get(f"{self._path}/request")

    def again(self, *, priority: int | None = None, **changes: object) -> "Job":
        """Submit what the job was asked to do once more, with other values of some fields of its spec.

        `changes` are fields of the spec, as for `Client.submit`; None is the default. What the job read is
        not uploaded again. A source takes the place of another one: texts=[…] that of a file. Name and labels
        are the job's own. Returns the new job. Raises Conflict for a part of another job, and BadRequest for
        a wrong field, or for a file that was deleted since and that nothing replaces.
        """
        return Job(self._transport, run_again(self._transport, self.id, changes, priority))

    def delete(self) -> None:
        """Delete the job, which has ended, with its results and files, and uploads that no other job reads.

        Data sets and models that it made are kept. Raises NotFound, and Conflict if it has not ended, or
        something needs it.
        """
        self._transport.delete(self._path)

    def update(self, **changes: object) -> Self:
        """Change `name`, `labels`, `note`, `keep`, and the `priority` of a queued or paused job.

        What is left out stays. None removes a name or a note. Of `labels`, those given are set, and those
        that are None removed; labels=None removes all. Raises Conflict for the priority of any other job.
        """
        self._take(self._transport.patch(self._path, changes))
        return self

    def metrics(
        self, name: str | None = None, points: int | None = None, *, system: bool = False
    ) -> list[Json]:
        """The metric history by name and step: [{name, step, epoch, value, at}].

        Of the metric `name`, or all; at most `points` of each, extremes included. A value that was not
        finite is None. With `system` what the job used, by seconds of its attempt: `system/memory_bytes`, ….
        """
        kind = {"system": "true"} if system else {}
        return list(self._transport.items(f"{self._path}/metrics", name=name, points=points, **kind))

    def events(self) -> list[Json]:
        """The timeline, oldest first: [{id, at, state, attempt, phase, message, worker, traceback}]."""
        return list(self._transport.items(f"{self._path}/events", following="after"))

    def logs(self, *, attempt: int | None = None, after: str | None = None) -> list[Json]:
        """What its work printed and logged: [{attempt, begins, left_out, text, at, cursor}], pieces in order.

        Of one attempt, or of all. `after`: the `cursor` of the last piece that was read.
        """
        found: list[Json] = []
        while True:
            page = self._transport.get(f"{self._path}/logs", attempt=attempt, after=after)
            found += page["items"]
            if (after := page.get("next")) is None:
                return found

    def predictions(self, *, label: str | None = None, sort: str | None = None) -> Iterator[Json]:
        """All rows of a prediction: {image, label, probability, probabilities, error, overlay}.

        With `label`, only those; `sort` is "row" (the order of the pictures) or "probability" (the least
        probable label first).
        """
        return self._transport.items(f"{self._path}/predictions", limit=500, label=label, sort=sort)

    def save_predictions(self, path: str | Path, *, escape_formulas: bool = False) -> Path:
        """Save all rows of a prediction as a table: Parquet if the path ends in .parquet, else CSV.

        `escape_formulas`: in CSV, put an apostrophe before what a spreadsheet would run as a formula.

        Raises NotFound if the job is not a prediction, and Conflict until it has succeeded.
        """
        path = Path(path)
        kind = "parquet" if path.suffix == ".parquet" else "csv"
        query = "?escape_formulas=true" if escape_formulas and kind == "csv" else ""
        self._transport.download(f"{self._path}/predictions.{kind}{query}", path)
        return path

    def scores(
        self, *, label: str | None = None, sort: str | None = None, search: str | None = None
    ) -> Iterator[Json]:
        """Rows of a file that was scored as Parquet: {row, columns, neg, neu, pos, compound, label}.

        With `label` or `search` (in the texts, in any case), only those; `sort` is "row", "compound" (the
        most negative first) or "-compound". Raises Conflict until the job has succeeded.
        """
        given: Json = {"label": label, "sort": sort, "search": search}
        return self._transport.items(f"{self._path}/scores", limit=200, **given)

    def groups(self) -> Iterator[Json]:
        """Groups of a scored file, the largest first: {value, rows, nulls, labels, mean, std, histogram}.

        Raises NotFound if the job has no groups, and Conflict until it has succeeded.
        """
        return self._transport.items(f"{self._path}/groups", limit=200)

    def files(self) -> list[Json]:
        """The job's artifacts: [{name, bytes, sha256, media_type, links}]."""
        return list(self._transport.items(f"{self._path}/files"))

    def download(self, name: str, path: str | Path) -> Path:
        """Save the artifact `name` as `path`, which is returned. Raises NotFound."""
        path = Path(path)
        self._transport.download(f"{self._path}/files/{segment(name)}", path)
        return path

    def save_history(self, path: str | Path) -> Path:
        """Save a training's chart of accuracy and loss as a PNG. Raises NotFound before its first epoch."""
        path = Path(path)
        self._transport.download(f"{self._path}/history.png", path)
        return path

    @property
    def _path(self) -> str:
        return f"/jobs/{self.id}"

    def _take(self, raw: Json) -> None:
        self.raw = raw
        for name in Job.__annotations__:
            if name not in raw:
                raise JobyardClientError(f"the server's answer is no job that this client knows: no {name!r}")
            setattr(self, name, raw[name])
