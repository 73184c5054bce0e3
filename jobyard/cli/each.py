"""The same for several jobs."""

from collections.abc import Callable, Sequence

import click

from jobyard.cli import WRONG
from jobyard.client import BadRequest, Client, Conflict, Job, NotFound


def for_each(client: Client, job_ids: Sequence[str], act: Callable[[Job], int | None]) -> int:
    """Do something to each job: the highest exit status. All are looked up before the first is changed.

    `job_ids` may be parts of ids. What goes wrong with one of several is a line on standard error, and the
    others are done.
    """
    found = {job.id: job for job in map(client.job, dict.fromkeys(job_ids))}
    status = 0
    for job in found.values():
        try:
            status = max(status, act(job) or 0)
        except (BadRequest, Conflict, NotFound) as error:
            if len(found) == 1:
                raise
            click.echo(f"jobyard: {error}", err=True)
            status = max(status, WRONG)
    return status
