"""How long something is waited for."""

import math
import time

from jobyard.client.errors import BadRequest
from jobyard.client.types import shown


class Deadline:
    """When a wait of `timeout` seconds is over; of None, never.

    Raises BadRequest for what is no number of seconds.
    """

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self._ends = _end_of(timeout)

    def left(self) -> float:
        """Seconds; 0 or less once it is over."""
        return self._ends - time.monotonic()


def _end_of(timeout: float | None) -> float:
    if timeout is None:
        return math.inf
    try:
        if isinstance(timeout, int | float) and not isinstance(timeout, bool) and not math.isnan(timeout):
            return time.monotonic() + timeout
    except OverflowError:  # more digits than a float has
        pass
    raise BadRequest(f"timeout: should be a number of seconds, or None, but is {shown(timeout)}")
