"""Long polling: `?wait=SECONDS`."""

import time
import uuid
from collections.abc import Callable
from typing import Final

from jobyard.shared import jobs
from jobyard.web.backend import Backend

MAX_WAIT_SECONDS: Final = 60
# How often a waiting request checks: soon at first, for short jobs, then less and less, whenever it has
# waited a tenth longer.
FIRST_CHECK_SECONDS = 0.001
LAST_CHECK_SECONDS = 0.25


def wait_until(
    backend: Backend, job_id: uuid.UUID, seconds: float, enough: Callable[[jobs.JobVersion], bool]
) -> bool:
    """Wait until `enough` is true (returns True) or the time is over. Raises NotFound."""
    # More waiters than the process has threads to spare are answered at once, and ask again.
    if not backend.waiters.acquire(blocking=False):
        return False
    try:
        began = time.monotonic()
        while (waited := time.monotonic() - began) < seconds:
            with backend.database.autocommit() as connection:
                if enough(jobs.read_version(connection, job_id)):
                    return True
            pause = min(max(FIRST_CHECK_SECONDS, waited / 10), LAST_CHECK_SECONDS)
            time.sleep(min(pause, seconds - waited))
        return False
    finally:
        backend.waiters.release()


def until_it_ends(backend: Backend, job_id: uuid.UUID, seconds: float) -> bool:
    """`wait_until` the job has ended."""
    return wait_until(backend, job_id, seconds, lambda now: now.terminal)
