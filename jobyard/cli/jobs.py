"""Commands on existing jobs: jobs, watch, pause, resume, cancel, retry, logs."""

from datetime import UTC, datetime, timedelta

import click
from rich.markup import escape
from rich.table import Column, Table

from jobyard.cli.completers import complete_job
from jobyard.cli.each import for_each, look_up
from jobyard.cli.follow import follow
from jobyard.cli.logs import JobLog
from jobyard.cli.many import Choice, choosing, move
from jobyard.cli.results import show_result
from jobyard.cli.session import (
    connect,
    json_option,
    label_option,
    labels_of,
    local,
    outcome,
    output,
    print_json,
)
from jobyard.client import Job, WaitTimeout
from jobyard.client.errors import Json
from jobyard.client.lines import on_a_line
from jobyard.client.positions import place_in_queue
from jobyard.client.stalls import no_progress

STYLES = {
    "queued": "dim",
    "running": "cyan",
    "waiting": "cyan",
    "paused": "yellow",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
}
CANCEL_SECONDS = 60.0
TITLE_CHARACTERS = 48
WHY_CHARACTERS = 120


@click.command()
@click.argument("words", nargs=-1)
@label_option
@click.option("--kind", "kinds", multiple=True, help="Only jobs of this kind; may be repeated.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(list(STYLES)),
    help="Only jobs in this state; may be repeated.",
)  # fmt: skip
@click.option(
    "--created-by", "tokens", multiple=True, metavar="TOKEN",
    help="Only jobs submitted with the token of this name; may be repeated.",
)  # fmt: skip
@click.option("--after", metavar="DATE", help="Only jobs created on this date or later: 2026-11-29.")
@click.option("--before", metavar="DATE", help="Only jobs created before this date.")
@click.option(
    "--sort",
    type=click.Choice(["newest", "oldest", "finished", "priority"]),
    help="Which jobs are first; finished: of those that have ended, the last one; priority: of those that "
    "are queued, the next one.  [default: newest]",
)
@click.option("--oldest", is_flag=True, help="List the oldest first, as --sort oldest does.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many jobs to list.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one line of JSON for each job; long values are cut, as `truncated` says.",
)
def jobs(
    words: tuple[str, ...],
    labels_given: tuple[str, ...],
    kinds: tuple[str, ...],
    states: tuple[str, ...],
    tokens: tuple[str, ...],
    after: str | None,
    before: str | None,
    sort: str | None,
    oldest: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List jobs, newest first.

    All, or those that have all WORDS in their name, labels or note, or in the names of their files, data sets
    and models.
    """
    if oldest and sort not in (None, "oldest"):
        raise click.UsageError(f"give either --oldest or --sort {sort}")
    asked: Json = {
        "q": " ".join(words) or None,
        "label": labels_of(labels_given) or None,
        "kind": kinds or None,
        "state": states or None,
        "created_by": tokens or None,
        "after": after,
        "before": before,
        "sort": "oldest" if oldest else sort,
    }
    with connect() as client:
        found = client.jobs(limit=limit, **asked)
        if as_json:
            for job in found:
                print_json(job.raw)
            return
        # An id is what the other commands take: it is never cut.
        first = Column("id", min_width=36, no_wrap=True)
        by_end = sort == "finished"
        when = "ended" if by_end else "submitted"
        table = Table(first, "job", "kind", "state", "doing", when, "by", "ran")
        for job in found:
            table.add_row(
                job.id,
                escape(_called(job)),
                job.kind,
                f"[{STYLES[job.state]}]{job.state}",
                escape(_doing(job)),
                local(job.finished_at if by_end else job.created_at),
                escape(job.created_by or ""),
                _ran(job),
            )
        if table.row_count:
            output().print(table)
        else:
            click.echo("no jobs")


@click.command()
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True, shell_complete=complete_job)
@json_option
def watch(job_ids: tuple[str, ...], as_json: bool) -> int:
    """Follow a job to its end.

    Several are followed one after another. ID is the beginning or the end of a job's id, at least 4
    characters, or @last for your newest job.
    """
    with connect() as client:
        return for_each(look_up(client, job_ids), lambda job: _follow_to_end(job, as_json))


@click.command()
@choosing
@json_option
def pause(choice: Choice, as_json: bool) -> int:
    """Pause a job; a training keeps its progress."""
    if not choice.is_one:
        return move("pause", choice, as_json=as_json)
    with connect() as client:
        return _show_change(client.job(choice.ids[0]).pause(), "pause requested", as_json)


@click.command()
@choosing
@json_option
def resume(choice: Choice, as_json: bool) -> int:
    """Resume a paused job."""
    if not choice.is_one:
        return move("resume", choice, as_json=as_json)
    with connect() as client:
        return _show_change(client.job(choice.ids[0]).resume(), "resumed", as_json)


@click.command()
@choosing
@json_option
def cancel(choice: Choice, as_json: bool) -> int:
    """Cancel a job: at once if it is queued, at its next step if it is running."""
    if not choice.is_one:
        return move("cancel", choice, as_json=as_json)
    with connect() as client:
        job = client.job(choice.ids[0]).cancel()
        try:
            job.wait(CANCEL_SECONDS, check=False)
        except WaitTimeout:
            click.echo(f"job {job.id} has not stopped yet; it is cancelled at its next step", err=True)
        if as_json:
            print_json(job.raw)
        elif job.done:
            click.echo(f"job {job.id} {'is' if job.state == 'cancelled' else 'had already'} {job.state}")
        return 0


@click.command()
@choosing
@json_option
def retry(choice: Choice, as_json: bool) -> int:
    """Run a failed or cancelled job again, and follow it."""
    if not choice.is_one:
        return move("retry", choice, as_json=as_json)
    with connect() as client:
        return _follow_to_end(client.job(choice.ids[0]).retry(), as_json)


@click.command()
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True, shell_complete=complete_job)
@click.option("--follow", "-f", "keep_on", is_flag=True, help="Follow the job until it ends.")
@click.option("--attempt", type=click.IntRange(1), help="Only what this attempt printed and logged.")
@click.option("--output", "only_output", is_flag=True, help="Without the timeline.")
def logs(job_ids: tuple[str, ...], keep_on: bool, attempt: int | None, only_output: bool) -> int:
    """Print a job's timeline, and what its work printed and logged.

    Those of several are printed one after another, each below its id.
    """
    with_ids = len(dict.fromkeys(job_ids)) > 1

    def show(job: Job) -> None:
        if with_ids:
            click.echo(f"job {job.id}")
        JobLog(job, attempt, only_output=only_output or attempt is not None).show(keep_on=keep_on)

    with connect() as client:
        return for_each(look_up(client, job_ids), show)


def _follow_to_end(job: Job, as_json: bool) -> int:
    follow(job)
    if as_json:
        print_json(job.raw)
    elif job.succeeded:
        show_result(job)
    return outcome(job)


def _called(job: Job) -> str:
    return _cut(job.title, TITLE_CHARACTERS)


def _cut(text: str, characters: int) -> str:
    line = on_a_line(text)
    return line if len(line) <= characters else f"{line[: characters - 1]}…"


def _doing(job: Job) -> str:
    if job.error:
        return _cut(f"{job.error['type']}: {job.error['message']}", WHY_CHARACTERS)
    if job.state == "queued" and job.position is not None:
        return place_in_queue(job.position)
    if job.stalled_since:
        return no_progress(datetime.fromisoformat(job.stalled_since))
    if job.state == "running" and job.progress and job.progress["total"]:
        return f"{job.phase or ''} {job.progress['done'] / job.progress['total']:.0%}".strip()
    return (job.phase or "") if job.state == "running" else ""


def _ran(job: Job) -> str:
    if job.started_at is None:
        return ""
    end = datetime.fromisoformat(job.finished_at) if job.finished_at else datetime.now(UTC)
    return str(timedelta(seconds=round((end - datetime.fromisoformat(job.started_at)).total_seconds())))


def _show_change(job: Job, what: str, as_json: bool) -> int:
    if as_json:
        print_json(job.raw)
    else:
        click.echo(f"job {job.id}: {what} ({job.state})")
    return 0
