"""How slow a client may be while a thread of web waits for it."""

import select
import time
from typing import Final

# Without any byte; and the mean rate that lets it take longer than that altogether.
IDLE_SECONDS: Final = 30.0
MIN_BYTES_PER_SECOND: Final = 16 << 10


class TooSlow(TimeoutError):
    """The client sends, or takes, less than MIN_BYTES_PER_SECOND."""


class Pace:
    """What one request, or one answer, has moved, and how long its thread has waited for that."""

    def __init__(self) -> None:
        self._bytes = 0
        self._waited = 0.0

    def moved(self, count: int) -> None:
        """Note bytes that came, or were sent."""
        self._bytes += count

    def wait(self, descriptor: int, event: int) -> None:
        """Wait for an event of `select.poll`. Raises TooSlow; time in which nobody waits is not counted."""
        allowed = IDLE_SECONDS + self._bytes / MIN_BYTES_PER_SECOND - self._waited
        poller = select.poll()
        poller.register(descriptor, event)
        begun = time.monotonic()
        ready = allowed > 0 and poller.poll(1_000 * min(IDLE_SECONDS, allowed))
        self._waited += time.monotonic() - begun
        if not ready:
            raise TooSlow
