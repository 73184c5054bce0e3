"""The command edit: what a job is called and how it is marked."""

import click

from jobyard.cli.completers import complete_job
from jobyard.cli.session import connect, json_option, label_option, labels_of, print_json
from jobyard.client.errors import Json


@click.command(short_help="Change a job's name, labels, note or priority.")
@click.argument("job_id", metavar="ID", shell_complete=complete_job)
@click.option("--name", help='What to call the job; "": by what it does.')
@label_option
@click.option("--remove-label", "removed", multiple=True, metavar="KEY", help="Remove a label.")
@click.option("--note", help='What is to be remembered of the job; "": nothing.')
@click.option(
    "--priority", type=click.IntRange(0, 9), help="Of a queued or paused job: 9 runs first, 0 last."
)
@click.option("--keep/--no-keep", default=None, help="Whether retention leaves the job.")
@json_option
def edit(
    job_id: str,
    name: str | None,
    labels_given: tuple[str, ...],
    removed: tuple[str, ...],
    note: str | None,
    priority: int | None,
    keep: bool | None,
    as_json: bool,
) -> None:
    """Change what a job is called, how it is marked, or the priority of one that is queued or paused.

    What is not given stays.
    """
    changes: Json = {}
    for field, text in (("name", name), ("note", note)):
        if text is not None:
            changes[field] = text or None
    if labels_given or removed:
        changes["labels"] = {**labels_of(labels_given), **dict.fromkeys(removed)}
    for field, value in (("priority", priority), ("keep", keep)):
        if value is not None:
            changes[field] = value
    if not changes:
        raise click.UsageError("nothing to change; give --name, --label, --note, --priority or --keep")
    with connect() as client:
        job = client.job(job_id).update(**changes)
        if as_json:
            print_json(job.raw)
        else:
            click.echo(f"job {job.id} was changed: {', '.join(changes)}")
