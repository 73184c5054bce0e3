"""Around each call of a back end: its errors are understood, and its outage holds up few threads."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from jobyard.shared.errors import StorageAway
from jobyard.shared.storage.failures import understood

# An error that took so long is a server that does not answer: others should not wait for it, too.
SLOW_SECONDS = 1.0
# How long everything fails at once after that; then one at a time tries, until one is answered.
PAUSE_SECONDS = 2.0


class Guard:
    """A circuit breaker for one back end, and the translator of its errors."""

    def __init__(self, place: str) -> None:
        self._place = place
        # Why the back end is away, from when on one may try, and whoever tries.
        self._away: str | None = None
        self._again = 0.0
        self._trying = threading.Lock()

    @property
    def is_away(self) -> bool:
        """Whether what is asked now would fail at once."""
        return self._away is not None and time.monotonic() < self._again

    @contextmanager
    def begins(self, key: str | None = None) -> Iterator[None]:
        """Something is asked of the back end, about a key.

        Raises what `failures.understood` has; StorageAway at once while the back end does not answer.
        """
        away = self._away
        if away is None:
            with self.continues(key):
                yield
            return
        if time.monotonic() < self._again or not self._trying.acquire(blocking=False):
            raise StorageAway(away)
        try:
            with self.continues(key):
                yield
        finally:
            self._trying.release()

    @contextmanager
    def continues(self, key: str | None = None) -> Iterator[None]:
        """The same for what has begun: that is tried even while others are refused."""
        began = time.monotonic()
        try:
            yield
        except Exception as error:
            found = understood(error, self._place, key)
            if isinstance(found, StorageAway) and time.monotonic() - began >= SLOW_SECONDS:
                self._away, self._again = found.message, time.monotonic() + PAUSE_SECONDS
            elif found is not None and not isinstance(found, StorageAway):
                self._away = None  # it has answered
            if found is None or found is error:
                raise
            raise found from error
        self._away = None
