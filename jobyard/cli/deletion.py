"""The command delete: jobs that have ended, with what they left."""

import click

from jobyard.cli.session import connect


@click.command()
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
def delete(job_ids: tuple[str, ...], yes: bool) -> None:
    """Delete jobs that have ended, with their results and files.

    Uploads that no other job reads are deleted, too. Data sets and models that a job made are kept.
    """
    with connect() as client:
        # All of them are looked up first: a wrong id deletes nothing.
        found = [client.job(job_id) for job_id in dict.fromkeys(job_ids)]
        if not yes:
            what = f"job {found[0].id}" if len(found) == 1 else f"these {len(found)} jobs"
            confirm(f"Delete {what} permanently?")
        for job in found:
            job.delete()
            click.echo(f"job {job.id} was deleted")


def confirm(question: str) -> None:
    """Raises click.Abort where the answer is no, or nobody answers."""
    try:
        click.confirm(question, abort=True)
    except click.Abort:
        click.echo("jobyard: nothing was deleted; --yes deletes without a question", err=True)
        raise
