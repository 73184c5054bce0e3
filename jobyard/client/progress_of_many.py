"""What a wait for several jobs shows: a bar that counts those that have ended."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jobyard.client.positions import where
from jobyard.client.progress import (
    BAR,
    SHOWN_SECONDS,
    Followed,
    in_notebook,
    is_interrupt,
    short_line,
    tqdm_class,
)


class FollowingAll:
    """What one wait shows of several jobs."""

    def __init__(self, jobs: Sequence[Followed], bar: Any) -> None:
        self._jobs = jobs
        self._bar = bar

    @property
    def seconds(self) -> float | None:
        """How long a request may wait for news; None: no bar has to be kept up to date."""
        return None if self._bar is None else SHOWN_SECONDS

    def show(self, place: int) -> None:
        """Show how many have ended, and where the job at this place is; past the last one, none is named."""
        if self._bar is None:
            return
        self._bar.n = sum(job.done for job in self._jobs)
        counts = {state: sum(job.state == state for job in self._jobs) for state in ("failed", "cancelled")}
        said = "all have ended"
        if place < len(self._jobs):
            job = self._jobs[place]
            said = f"{job.title}: {where(job)}"
        self._bar.set_description_str(short_line(said), refresh=False)
        bad = [f"{count:,} {state}" for state, count in counts.items() if count]
        self._bar.set_postfix_str(", ".join(bad), refresh=False)
        self._bar.refresh()


@contextmanager
def following_all(jobs: Sequence[Followed], progress: bool | None) -> Iterator[FollowingAll]:
    """Show a wait for these jobs, with a bar if `progress`; None: in notebooks.

    Where the wait is interrupted, a line on standard error says that they continue.
    """
    bar = None
    try:
        if in_notebook() if progress is None else progress:
            bar = tqdm_class()(total=len(jobs), unit=" jobs", bar_format=BAR, mininterval=0, miniters=0)
        yield FollowingAll(jobs, bar)
    except BaseException as error:
        left = sum(not job.done for job in jobs)
        if is_interrupt(error, shown=bar is not None) and left:
            said = "The jobs continue; wait_all() waits for them again, job.cancel() ends one."
            print(said, file=sys.stderr, flush=True)  # noqa: T201 - said to whoever interrupts
        raise
    finally:
        if bar is not None:
            bar.close()
