"""What a wait for a job shows: a bar by tqdm, and a line where it is interrupted."""

import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from jobyard.client.display import Shown
from jobyard.client.errors import BadRequest, Json
from jobyard.client.lines import on_a_line
from jobyard.client.positions import state_and_place
from jobyard.client.stalls import no_progress

# How long a request waits for news while a bar is shown.
SHOWN_SECONDS: Final = 0.5
# So many points of each metric are read when a training has ended, and before, for its chart.
HISTORY_POINTS: Final = 200
NEWEST_POINTS: Final = 50
METRICS: Final = ("loss", "accuracy", "val_loss", "val_accuracy")
# Of the words before the bar, and so of a reason that another user has written.
LONGEST_WORDS: Final = 70
# How long the rest will take is the server's estimate, which stands in the postfix.
BAR: Final = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{unit} [{elapsed}{postfix}]"


class Followed(Shown, Protocol):
    """What is read of a job: `Job` and `AsyncJob` have it."""

    @property
    def stalled_since(self) -> str | None: ...


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook. IPython is not imported for this."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    # A shell in a terminal has none.
    return getattr(shell, "kernel", None) is not None


class Bar:
    """A bar of tqdm for one job: a widget in notebooks, a line on standard error elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = tqdm_class()(
            total=None, bar_format=BAR, unit="", mininterval=0, miniters=0, leave=True
        )
        self._counted: tuple[str | None, int | None] = (None, None)
        self._metrics: list[str] = []
        self._ended = False

    def update(self, job: Followed, newest: dict[str, float | None]) -> None:
        """Show how the job is now; `newest` are the values of its metrics, {} for no change."""
        self._ended = job.done
        now = job.progress or {}
        done, total, unit = now.get("done") or 0, now.get("total"), now.get("unit") or ""
        if job.done and not (job.succeeded and total):
            # Full where it has succeeded, and marked as a failure where not: that wants a total.
            total, done = (total, done) if total else (1, 0)
        if job.succeeded:
            done = total
        self._bar.set_description_str(_words(job), refresh=False)
        if (unit, total) != self._counted:
            self._counted = (unit, total)
            self._bar.unit = f" {unit}" if unit else ""
            began = self._bar.start_t
            self._bar.total = None  # which a reset leaves as it is where there is none
            self._bar.reset(total=total)
            self._bar.start_t = began
        self._bar.n = done
        if newest:
            self._metrics = [f"{name}={newest[name]:.4g}" for name in METRICS if newest.get(name) is not None]
        left = [] if job.done else _left(now.get("eta_seconds"))
        self._bar.set_postfix_str(", ".join(left + self._metrics), refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        """End the bar, which stays as it was last; red, where the job has not ended."""
        if not self._ended and not self._bar.total:
            self._bar.total = 1
        self._bar.close()


class Following:
    """What one wait shows of a job, and what it reads for that."""

    def __init__(self, bar: Bar | None, *, reads: bool = False) -> None:
        self._bar = bar
        self._reads = reads or bar is not None
        self._phase: str | None = None

    @property
    def seconds(self) -> float | None:
        """How long a request may wait for news; None: no bar has to be kept up to date."""
        return None if self._bar is None else SHOWN_SECONDS

    def points(self, job: Followed) -> int | None:
        """How many points of each metric should be read now; None: none, nothing new is to be expected."""
        if not self._reads or job.kind != "train":
            return None
        if job.done:
            return HISTORY_POINTS
        # An epoch has ended when the phase changes.
        changed = job.state == "running" and job.phase != self._phase
        self._phase = job.phase
        return NEWEST_POINTS if changed else None

    def show(self, job: Followed, history: Iterable[Json]) -> None:
        """Show the job, with the newest values of a metric history, if there are some."""
        if self._bar is not None:
            newest = {row["name"]: row["value"] for row in sorted(history, key=lambda row: row["step"])}
            self._bar.update(job, newest)


@contextmanager
def following(job: Followed, progress: bool | None, *, cancelled: bool = False) -> Iterator[Following]:
    """Show a wait for the job, with a bar if `progress`; None: in notebooks.

    Where the wait is interrupted, a line on standard error says that the job continues, and how to get back
    to it; not if the job is `cancelled` then, as in a `with` block.
    """
    wanted = in_notebook() if progress is None else progress
    bar = None
    try:
        # Nobody has to wait for what has ended.
        if progress or (wanted and not job.done):
            bar = Bar()
        yield Following(bar, reads=wanted)
    except BaseException as error:
        if bar is not None:
            bar.close()
        ends = cancelled or job.done or job.raw.get("cancel_requested")
        if is_interrupt(error, shown=bar is not None) and not ends:
            print(hint(job), file=sys.stderr, flush=True)  # noqa: T201 - said to whoever interrupts
        raise
    else:
        if bar is not None:
            bar.close()


def is_interrupt(error: BaseException, *, shown: bool) -> bool:
    """Whether somebody has interrupted a wait, whose bar is `shown`.

    An event loop tells an interrupt as the cancellation of the task that waits, which may as well be a
    timeout of the program's own: that is taken for an interrupt only where somebody looks at a bar.
    """
    return isinstance(error, KeyboardInterrupt) or (shown and type(error).__name__ == "CancelledError")


def hint(job: Followed) -> str:
    """What is said where a wait is interrupted."""
    return (
        f"The job continues. client.job({job.id!r}).wait() or `jobyard watch {job.id}` waits for it again, "
        f"job.cancel() ends it."
    )


def check_progress(progress: object) -> None:
    """Raises BadRequest for what is neither True, False nor None."""
    if progress is not None and not isinstance(progress, bool):
        raise BadRequest(f"progress: should be True, False or None, but is {progress!r:.80}")


def tqdm_class() -> Any:
    """The bar of notebooks where there is one and it can be shown, else that of terminals."""
    if in_notebook() and importlib.util.find_spec("ipywidgets") is None:
        from tqdm.std import tqdm as plain

        return plain
    from tqdm.auto import tqdm

    return tqdm


def _left(seconds: float | None) -> list[str]:
    return [] if seconds is None else [f"{timedelta(seconds=round(seconds))} left"]


def _words(job: Followed) -> str:
    """What is said before the bar, on one line: others have written names and reasons."""
    said = state_and_place(job)
    if job.stalled_since and not job.done:
        said = f"{said}, {no_progress(datetime.fromisoformat(job.stalled_since))}"
    return f"{job.kind}: {short_line(said)}"


def short_line(text: str) -> str:
    """A text on one line, and cut."""
    line = on_a_line(text)
    return line if len(line) <= LONGEST_WORDS else f"{line[: LONGEST_WORDS - 1]}…"
