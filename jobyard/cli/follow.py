"""Follows jobs while they run: bars on a terminal, lines elsewhere, on standard error either way."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Protocol

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from jobyard.cli import INTERRUPTED
from jobyard.cli.session import is_terminal
from jobyard.client import Job
from jobyard.client.lines import on_a_line
from jobyard.client.positions import state_and_place
from jobyard.client.stalls import no_progress

POLL_SECONDS = 0.5
# Without a terminal, the progress of a running job is printed this often.
LINE_SECONDS = 10.0

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")


class Display(Protocol):
    """Shows a job's progress."""

    def update(self, job: Job) -> None:
        """Show how the job is now."""

    def note(self, text: str) -> None:
        """Show a line that stays."""


def follow(job: Job) -> Job:
    """Return when the job has ended. After Ctrl-C the job continues, and the program exits with a hint."""
    try:
        return show_progress(job)
    except KeyboardInterrupt:
        click.echo(
            f"\nThe job continues. `jobyard watch {job.id}` follows it again, "
            f"`jobyard cancel {job.id}` ends it.",
            err=True,
        )
        raise click.exceptions.Exit(INTERRUPTED) from None


def show_progress(job: Job) -> Job:
    """Show the job's progress until it has ended."""
    with _display(job) as display:
        epochs = _Epochs(job)
        while True:
            display.update(job)
            for line in epochs.new():
                display.note(line)
            if job.done:
                return job
            job.refresh(wait=POLL_SECONDS)


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show what is being done until it is done."""
    console = Console(stderr=True, highlight=False)
    if is_terminal(console):
        with console.status(escape(text)):
            yield
    else:
        click.echo(text, err=True)
        yield


@contextmanager
def _display(job: Job) -> Iterator[Display]:
    console = Console(stderr=True, highlight=False)
    if not is_terminal(console):
        yield _Lines()
        return
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TextColumn("[dim]{task.fields[left]}"),
    )
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress, progress.add_task(job.kind, total=None, count="", left=""))


class _Bar:
    """A bar on a terminal."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def update(self, job: Job) -> None:
        now = job.progress or {}
        total = now.get("total")
        if job.done and total is None:
            total = 1
        self._progress.update(
            self._task,
            description=f"{job.kind} [dim]{escape(on_a_line(state_and_place(job)))}",
            total=total,
            completed=total if job.succeeded and total else now.get("done") or 0,
            count=_count(job),
            left=_left(job),
        )

    def note(self, text: str) -> None:
        self._progress.console.print(f"  {text}", markup=False)


class _Lines:
    """Plain lines, one for each phase and now and then one between."""

    def __init__(self) -> None:
        self._shown = ("", "")
        self._shown_at = 0.0

    def update(self, job: Job) -> None:
        now = (job.state, job.phase or "")
        if now == self._shown and time.monotonic() < self._shown_at + LINE_SECONDS:
            return
        self._shown, self._shown_at = now, time.monotonic()
        parts = [on_a_line(state_and_place(job)), _count(job), _left(job)]
        self.note(f"{job.kind} {job.id}: {', '.join(part for part in parts if part)}")

    def note(self, text: str) -> None:
        click.echo(text, err=True)


class _Epochs:
    """The lines of a training's ended epochs, each once."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._phase: str | None = None
        self._last = 0

    def new(self) -> list[str]:
        # The history is read only when the phase changes: an epoch has ended then.
        if self._job.kind != "train" or (self._job.phase == self._phase and not self._job.done):
            return []
        self._phase = self._job.phase
        epochs: dict[int, dict[str, float | None]] = {}
        # A few points are enough: an epoch missed here is in the history all the same.
        for row in self._job.metrics(points=2):
            epochs.setdefault(row["epoch"] or row["step"], {})[row["name"]] = row["value"]
        ended = [epoch for epoch in sorted(epochs) if epoch > self._last]
        self._last = max([self._last, *ended])
        return [f"epoch {epoch}: {_values(epochs[epoch])}" for epoch in ended]


def _values(metrics: dict[str, float | None]) -> str:
    known = [(name, metrics.get(name)) for name in METRICS]
    return "  ".join(f"{name} {value:.4f}" for name, value in known if value is not None)


def _count(job: Job) -> str:
    now = job.progress
    if not now:
        return ""
    of = f"/{now['total']:,}" if now["total"] is not None else ""
    unit = now["unit"] or ""
    speed = (
        f", {now['per_second']:,.0f} {unit}/s" if (now.get("per_second") or 0) >= 10 and not job.done else ""
    )
    return f"{now['done']:,}{of} {unit}".strip() + speed


def _left(job: Job) -> str:
    if job.stalled_since:
        return no_progress(datetime.fromisoformat(job.stalled_since))
    seconds = (job.progress or {}).get("eta_seconds")
    if seconds is None or job.done:
        return ""
    return f"{timedelta(seconds=round(seconds))} left"
