"""The part of a job that waits for it, and shows it."""

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from jobyard.client import display, plots
from jobyard.client._async.transport import AsyncTransport
from jobyard.client.deadlines import Deadline
from jobyard.client.errors import (
    Conflict,
    ConnectionFailed,
    JobFailed,
    JobyardClientError,
    Json,
    NotFound,
    ServerError,
    WaitTimeout,
)
from jobyard.client.job import JobFields
from jobyard.client.progress import Following, check_progress, following
from jobyard.client.runtime import AsyncRuntime
from jobyard.client.suggestions import instead

# The longest wait of one request for a change of state.
POLL_SECONDS = 20.0
BREATH_SECONDS = 0.5
# However many wait at once, they ask so often together.
MAX_LOOKS_PER_SECOND = 100


class AsyncWatching(JobFields):
    """Methods of a job."""

    def __init__(self, transport: AsyncTransport, raw: Json) -> None:
        super().__init__(raw)
        self._transport = transport
        # The metrics of a training as they were last read, for its chart.
        self._history: list[Json] = []
        # How many `with` blocks of this job are open.
        self._blocks = 0

    def link(self, name: str) -> str:
        """The absolute URL of one of its `links`: page, metrics, history, …"""
        if name not in self.links:
            raise NotFound(f"name: there is no link {name!r}; {instead(name, self.links)}")
        return self._transport.url + self.links[name]

    @property
    def page(self) -> str | None:
        """The address of its page; None if it has none."""
        return self.link("page") if "page" in self.links else None

    def _repr_html_(self) -> str:
        """A job in a notebook, as it was last read: this sends no request."""
        return display.card(self, self.page, self._history)

    async def __aenter__(self) -> Self:
        self._blocks += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel the job where an exception leaves the block; at the end of the block, wait for it."""
        try:
            if error is not None:
                await self._abandon(error)
            elif not self.done:
                await self._wait_or_abandon()
        finally:
            self._blocks -= 1

    async def refresh(self, wait: float | None = None) -> Self:
        """Get the job as it is now; with `wait`, at its next change of state or after so many seconds."""
        if wait is None:
            self._take(await self._transport.get(self._path))
            return self
        before, asked = self.state, time.monotonic()
        waiting = self._transport.waiting
        waiting.add(id(self))
        try:
            self._take(await self._transport.get(self._path, longer=wait, wait=wait))
            # A server with many waiters answers some at once: they must not come back at once.
            early = wait - (time.monotonic() - asked)
            if self.state == before and early > 0 and not self.done:
                breath = max(BREATH_SECONDS, len(waiting) / MAX_LOOKS_PER_SECOND)
                await AsyncRuntime.sleep(min(early, breath))
        finally:
            waiting.discard(id(self))
        return self

    async def wait(
        self, timeout: float | None = None, *, check: bool = True, progress: bool | None = None
    ) -> Self:
        """Return when the job has ended.

        With `progress`, a bar shows how far it is, or what it waits for; by default, in notebooks. Where the
        wait is interrupted, the job continues, and a line on standard error says how to come back to it.

        Raises WaitTimeout after `timeout` seconds, and JobFailed if the job failed or was cancelled
        (not with check=False).
        """
        check_progress(progress)
        deadline = Deadline(timeout)
        with following(self, progress, cancelled=self._blocks > 0) as shown:
            while True:
                await self._show(shown)
                if self.done:
                    break
                await self._wait_for_change(shown.seconds, deadline)
        if check and not self.succeeded:
            raise JobFailed(self)
        return self

    async def cancel(self) -> Self:
        """Cancel the job: a queued one at once, a running one at its next step (`wait` for it).

        Raises Conflict if it has ended.
        """
        self._take(await self._transport.post(f"{self._path}/cancel"))
        return self

    async def plot(self, ax: Any = None) -> Any:
        """Draw the job with matplotlib; returns the axes, of a training two: loss and accuracy.

        Of a training, also one that runs, loss and accuracy by whole epochs, with the best one marked; of
        scored texts the histogram of their compounds; of an evaluation the confusion matrix. `ax` are axes to
        draw in. Raises JobyardClientError where matplotlib is not installed, for another kind of job, and as
        long as there is nothing to draw.
        """
        if not self.done or self.raw.get("truncated"):
            await self.refresh()
        plots.check(self.kind, self.state, self.result, self.id)
        if self.kind == "train":
            self._history = await self._transport.all_items(f"{self._path}/metrics")
        return plots.of_job(self.kind, self.spec, self.result, self._history, ax)

    async def _wait_for_change(self, seconds: float | None, deadline: Deadline) -> None:
        """Get the job at its next change of state, or after so many seconds at most.

        Raises WaitTimeout where the time to wait for its end is over.
        """
        left = min(seconds or POLL_SECONDS, deadline.left())
        if left <= 0:
            raise WaitTimeout(f"job {self.id} is still {self.state} after {deadline.timeout:g} seconds")
        await self.refresh(wait=round(left, 3))

    async def _show(self, shown: Following) -> None:
        """Show the job in its bar, with what its metrics are by now."""
        points = shown.points(self)
        if points is not None:
            # What is shown beside a bar is worth no exception.
            with suppress(JobyardClientError):
                self._history = await self._transport.all_items(f"{self._path}/metrics", points=points)
        shown.show(self, [] if points is None else self._history)

    async def _wait_or_abandon(self) -> None:
        try:
            await self.wait()
        except JobFailed:
            raise
        except BaseException as error:
            await self._abandon(error)
            raise

    async def _abandon(self, error: BaseException) -> None:
        """Cancel the job, whose block an exception leaves; one that says that the server is away does not."""
        if self.done:
            return
        if isinstance(error, ConnectionFailed | ServerError):
            # A server that restarts is no reason to end a training of days.
            error.add_note(f"job {self.id} was not cancelled")
            return
        try:
            await self.cancel()
        except Conflict:  # it has ended meanwhile
            return
        except JobyardClientError as failure:
            error.add_note(f"job {self.id} could not be cancelled: {failure}")
            return
        if not isinstance(error, Exception):
            print(f"job {self.id} was cancelled with its block.", file=sys.stderr, flush=True)  # noqa: T201
