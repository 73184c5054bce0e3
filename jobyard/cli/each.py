"""The same for several jobs."""

from collections.abc import Callable, Sequence

import click

from jobyard.cli import WRONG
from jobyard.client import BadRequest, Client, Conflict, Job, NotFound


def look_up(client: Client, job_ids: Sequence[str]) -> list[Job]:
    """The jobs of these ids, or parts of ids, each once."""
    return list({job.id: job for job in map(client.job, dict.fromkeys(job_ids))}.values())


def for_each(jobs: Sequence[Job], act: Callable[[Job], int | None]) -> int:
    """Do something to each job: the highest exit status.

    What goes wrong with one of several is a line on standard error, and the others are done.
    """
    status = 0
    for job in jobs:
        try:
            status = max(status, act(job) or 0)
        except (BadRequest, Conflict, NotFound) as error:
            if len(jobs) == 1:
                raise
            click.echo(f"jobyard: {error}", err=True)
            status = max(status, WRONG)
    return status
