"""The timeline of a job and what its work printed and logged, as lines on a terminal."""

from datetime import datetime

import click

from jobyard.client import Job
from jobyard.client.errors import Json

POLL_SECONDS = 1.0


class JobLog:
    """Prints each event and each piece of output once, in the order in which they were written."""

    def __init__(self, job: Job, attempt: int | None = None, *, only_output: bool = False) -> None:
        self._job = job
        self._attempt = attempt
        self._only_output = only_output
        self._last_event = 0
        self._cursor: str | None = None

    def show(self, *, keep_on: bool = False) -> None:
        """All that there is, and what comes until the job ends."""
        while True:
            ended = self._job.done  # asked before, so that the last of it is seen
            for _, entry in sorted([*self._new_events(), *self._new_output()], key=lambda one: one[0]):
                self._print(entry)
            if ended or not keep_on:
                return
            self._job.refresh(wait=POLL_SECONDS)

    def _new_events(self) -> list[tuple[str, Json]]:
        if self._only_output:
            return []
        found = [event for event in self._job.events() if event["id"] > self._last_event]
        self._last_event = max([self._last_event, *(event["id"] for event in found)])
        return [(event["at"], event) for event in found]

    def _new_output(self) -> list[tuple[str, Json]]:
        found = self._job.logs(attempt=self._attempt, after=self._cursor)
        self._cursor = found[-1]["cursor"] if found else self._cursor
        return [(piece["at"], piece) for piece in found]

    def _print(self, entry: Json) -> None:
        if "text" in entry:
            self._print_output(entry)
        else:
            _print_event(entry)

    def _print_output(self, piece: Json) -> None:
        begin = "" if self._only_output else "  | "
        if piece["left_out"]:
            click.echo(f"{begin}… {piece['left_out']:,} characters were not kept …")
        for line in piece["text"].splitlines():
            click.echo(begin + line)


def _print_event(event: Json) -> None:
    what = " · ".join(text for text in (event["phase"], event["message"]) if text)
    by = event.get("actor") or event["worker"]
    worker = f"  [{by}]" if by else ""
    click.echo(f"{local_time(event['at'])}  {event['state']:<9}  attempt {event['attempt']}  {what}{worker}")
    if event["traceback"]:
        click.echo("".join(f"    {line}" for line in event["traceback"].splitlines(keepends=True)))


def local_time(moment: str) -> str:
    """A moment of the server's by this machine's clock."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")
