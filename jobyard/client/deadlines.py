"""How long something is waited for."""

import math
import time

from jobyard.client.errors import BadRequest
from jobyard.client.types import shown


def deadline_of(timeout: float | None) -> float:
    """When the time to wait is over, by `time.monotonic`; never for None.

    Raises BadRequest for what is no number of seconds.
    """
    if timeout is None:
        return math.inf
    try:
        if isinstance(timeout, int | float) and not isinstance(timeout, bool) and not math.isnan(timeout):
            return time.monotonic() + timeout
    except OverflowError:  # more digits than a float has
        pass
    raise BadRequest(f"timeout: should be a number of seconds, or None, but is {shown(timeout)}")
