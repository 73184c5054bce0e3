"""The command delete: jobs that have ended, with what they left."""

import click

from jobyard.cli.each import for_each, look_up
from jobyard.cli.many import Choice, choosing, confirm, move
from jobyard.cli.session import connect, json_option, print_json
from jobyard.client import Job


@click.command()
@choosing
@json_option
def delete(choice: Choice, as_json: bool) -> int:
    """Delete jobs that have ended, with their results and files.

    Uploads that no other job reads are deleted, too. Data sets and models that a job made are kept.
    """
    if choice.all or choice.dry_run:
        return move("delete", choice, as_json=as_json)
    with connect() as client:
        # All of them are looked up first: a wrong id deletes nothing.
        found = look_up(client, choice.ids)
        if not choice.yes:
            what = f"job {found[0].id}" if len(found) == 1 else f"these {len(found)} jobs"
            confirm(f"Delete {what} permanently?")
        return for_each(found, lambda job: _delete(job, as_json))


def _delete(job: Job, as_json: bool) -> None:
    job.delete()
    if as_json:
        print_json({"id": job.id, "deleted": True})
    else:
        click.echo(f"job {job.id} was deleted")
