"""The command delete: jobs that have ended, with what they left."""

import click

from jobyard.cli.many import Choice, choosing, confirm, move
from jobyard.cli.session import connect, json_option, print_json


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
        found = list({job.id: job for job in map(client.job, choice.ids)}.values())
        if not choice.yes:
            what = f"job {found[0].id}" if len(found) == 1 else f"these {len(found)} jobs"
            confirm(f"Delete {what} permanently?")
        for job in found:
            job.delete()
            if as_json:
                print_json({"id": job.id, "deleted": True})
            else:
                click.echo(f"job {job.id} was deleted")
    return 0
