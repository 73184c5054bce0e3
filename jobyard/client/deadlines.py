"""How long something is waited for."""

import math
import time

from jobyard.client.errors import BadRequest


def deadline_of(timeout: float | None) -> float:
    """When the time to wait is over, by `time.monotonic`; never for None.

    Raises BadRequest for what is no number of seconds.
    """
    if timeout is None:
        return math.inf
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or math.isnan(timeout):
        raise BadRequest(f"timeout: should be a number of seconds, or None, but is {timeout!r:.50}")
    return time.monotonic() + timeout
