"""Long polling: `?wait=SECONDS`."""

import time
import uuid
from collections.abc import Callable
from typing import Final, TypeVar

import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.errors import Busy
from jobyard.web.backend import Backend

MAX_WAIT_SECONDS: Final = 60
# When a waiting request first checks: no job ends sooner. Then it checks often, for short jobs, and less and
# less, whenever it has waited a tenth longer.
FIRST_CHECK_SECONDS = 0.0025
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.0003, 0.25

T = TypeVar("T")


def wait_until(
    backend: Backend, seconds: float, check: Callable[[sa.Connection], T | None], *, or_busy: bool = False
) -> T | None:
    """What `check` finds, as soon as it finds something; None when the time is over.

    More waiters than the process has threads to spare are answered at once: with None, for they ask again;
    where `or_busy`, since a request can't, Busy is raised.
    """
    if not backend.waiters.acquire(blocking=False):
        if or_busy:
            raise Busy("too many other requests wait for jobs; try again in a few seconds")
        return None
    try:
        began = time.monotonic()
        pause = FIRST_CHECK_SECONDS
        while (waited := time.monotonic() - began) < seconds:
            time.sleep(min(pause, seconds - waited))
            pause = min(max(SHORTEST_PAUSE_SECONDS, waited / 10), LONGEST_PAUSE_SECONDS)
            with backend.database.autocommit() as connection:
                if (found := check(connection)) is not None:
                    return found
        return None
    finally:
        backend.waiters.release()


def until_it_ends(
    backend: Backend, job_id: uuid.UUID, seconds: float, *, or_busy: bool = False
) -> jobs.JobSnapshot | None:
    """The job when it has ended; None when the time is over; `or_busy` as in `wait_until`."""

    def check(connection: sa.Connection) -> jobs.JobSnapshot | None:
        return jobs.read_if_ended(connection, job_id)

    return wait_until(backend, seconds, check, or_busy=or_busy)
