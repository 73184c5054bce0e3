"""Which jobs a command is for: one, several by their ids, or all that match."""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import click

from jobyard.cli.completers import complete_job
from jobyard.cli.session import connect, labels_of, print_json
from jobyard.client.errors import Json

Verb = Literal["cancel", "pause", "resume", "retry", "delete"]

STATES = ("queued", "running", "waiting", "paused", "succeeded", "failed", "cancelled")
DONE: dict[Verb, str] = {
    "cancel": "cancelled, or asked to stop",
    "pause": "paused, or asked to stop",
    "resume": "resumed",
    "retry": "queued again",
    "delete": "deleted",
}


class Choice(NamedTuple):
    """The jobs of a command, and how it is to go about them."""

    ids: tuple[str, ...]
    all: bool
    filters: Json
    dry_run: bool
    yes: bool

    @property
    def is_one(self) -> bool:
        """One job by its id, and no dry run."""
        return len(self.ids) == 1 and not self.dry_run


def choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments ID… and the options by which many jobs are chosen, as one `choice`."""

    @functools.wraps(command)
    def run(
        *args: Any,
        job_ids: tuple[str, ...],
        for_all: bool,
        kinds: tuple[str, ...],
        states: tuple[str, ...],
        labels_given: tuple[str, ...],
        words: str | None,
        tokens: tuple[str, ...],
        after: str | None,
        before: str | None,
        dry_run: bool,
        yes: bool,
        **options: Any,
    ) -> Any:
        asked: Json = {
            "q": words,
            "label": labels_of(labels_given),
            "kind": list(kinds),
            "state": list(states),
            "created_by": list(tokens),
            "after": after,
            "before": before,
        }
        filters = {name: value for name, value in asked.items() if value}
        if job_ids and (for_all or filters):
            raise click.UsageError("give either IDs, or --all with a filter")
        if filters and not for_all:
            raise click.UsageError("--all is needed, too, for all jobs that match")
        if not job_ids and not for_all:
            raise click.UsageError("give the ID of a job, or --all with a filter, as in --all --state failed")
        choice = Choice(tuple(dict.fromkeys(job_ids)), for_all, filters, dry_run, yes)
        return command(*args, choice=choice, **options)

    for option in (
        click.option("--yes", is_flag=True, help="Don't ask for confirmation."),
        click.option("--dry-run", is_flag=True, help="Change nothing; say how many jobs would be."),
        click.option(
            "--state", "states", multiple=True, type=click.Choice(STATES), help="With --all: in this state."
        ),
        click.option("--kind", "kinds", multiple=True, help="With --all: of this kind."),
        click.option(
            "--label", "labels_given", multiple=True, metavar="KEY=VALUE", help="With --all: with this label."
        ),
        click.option("--words", "-q", metavar="WORDS", help="With --all: found by these words."),
        click.option(
            "--created-by", "tokens", multiple=True, metavar="TOKEN", help="With --all: of this token."
        ),
        click.option("--after", metavar="DATE", help="With --all: created on this date or later."),
        click.option("--before", metavar="DATE", help="With --all: created before this date."),
        click.option("--all", "for_all", is_flag=True, help="All jobs that match, or all that there are."),
        click.argument("job_ids", metavar="[ID]...", nargs=-1, shell_complete=complete_job),
    ):
        run = option(run)
    return run


def move(verb: Verb, choice: Choice, *, as_json: bool) -> int:
    """Move the jobs, after a question if they are all that match, and say what became of them."""
    with connect() as client:
        wanted: Json = choice.filters or {"all": True}
        if choice.ids:
            wanted = {"ids": list(dict.fromkeys(map(client.job_id, choice.ids)))}
        call: Callable[..., Json] = getattr(client, f"{verb}_jobs")
        if not choice.dry_run and not choice.yes and (choice.all or verb == "delete"):
            number = call(dry_run=True, **wanted)["moved"]
            confirm(f"{verb.capitalize()} {_jobs(number)}{' permanently' if verb == 'delete' else ''}?")
        done = call(dry_run=choice.dry_run, **wanted)
    if as_json:
        print_json(done)
        return 0
    would = "would be " if choice.dry_run else ""
    click.echo(f"{done['moved']:,} of {_jobs(done['matched'])}: {would}{DONE[verb]}")
    for refused in done["refused"]:
        click.echo(f"{refused['count']:,} not: {refused['reason']} ({refused['examples'][0]['message']})")
    return 0


def confirm(question: str) -> None:
    """Raises click.Abort where the answer is no, or nobody answers."""
    try:
        click.confirm(question, abort=True)
    except click.Abort:
        click.echo("jobyard: nothing was changed; --yes changes without a question", err=True)
        raise


def _jobs(number: int) -> str:
    return f"{number:,} job{'' if number == 1 else 's'}"
