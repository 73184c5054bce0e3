"""How long an attempt waits for a database or a storage that is away."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import sqlalchemy as sa

from jobyard.shared.database import is_full as database_is_full
from jobyard.shared.errors import StorageFailed
from jobyard.shared.storage import Stored

log = logging.getLogger(__name__)

T = TypeVar("T")

# How long an outcome waits for an unreachable database, and how long if the worker is being stopped.
PATIENCE_SECONDS = 600.0
STOPPING_SECONDS = 2.0
# How soon a job that waits for the storage stops where its owner wants that.
CHECK_SECONDS = 0.25


class Patience:
    """Tries again until it is done, or until the time is over, which is soon once the worker is to stop."""

    def __init__(
        self, stopping: threading.Event, *, lease_seconds: float, give_up: Callable[[], None]
    ) -> None:
        """`give_up` is called when the time is over, before the error is raised."""
        self._stopping = stopping
        self._lease_seconds = lease_seconds
        self._give_up = give_up

    def until_done(self, what: str, act: Callable[[], T], *, until_it_fits: bool = False) -> T:
        """Try again as long as the database is unreachable. Raises its error when the time is over.

        On a full disk that is at once, or never if it is little that is to be written, `until_it_fits`.
        """
        began = time.monotonic()
        pauses = self._pauses()
        while True:
            try:
                return act()
            except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
                is_full = database_is_full(error)
                if is_full and not until_it_fits:
                    raise
                waited = time.monotonic() - began
                # Below its first line are the statement and its parameters, the job's result among them.
                reason = str(error).splitlines()[0]
                # On a full disk nobody can write: to give up would cost an attempt once it is free.
                patience = math.inf if is_full else PATIENCE_SECONDS
                if waited > (STOPPING_SECONDS if self._stopping.is_set() else patience):
                    log.error("can't %s, giving up: %s", what, reason)
                    self._give_up()
                    raise
                log.warning("can't %s, retrying: %s", what, reason)
            time.sleep(next(pauses))

    def until_stored(self, store: Callable[[], Stored], check: Callable[[], None], worked: float) -> Stored:
        """Store a file, as soon as storage and database can be reached: days of work may lie in it.

        `worked` are the seconds that the work took: a storage that is away for longer, and for longer than
        the patience, raises StorageFailed, for then the work had better be done again. `check` raises
        Interrupted where the job is to stop: its lease is kept all the while.
        """
        began = time.monotonic()
        pauses = self._pauses()
        while True:
            try:
                return self.until_done("store a file", store)
            except StorageFailed as error:
                if time.monotonic() - began > max(PATIENCE_SECONDS, worked):
                    raise
                log.warning("can't store a file, retrying: %s", error.message)
            for _ in range(math.ceil(next(pauses) / CHECK_SECONDS)):
                check()
                time.sleep(CHECK_SECONDS)

    def _pauses(self) -> Iterator[float]:
        """Seconds between tries, which grow."""
        pause = 0.25
        while True:
            yield pause
            # Soon enough once the database is back: the sweeper waits a lease before it takes the job away.
            pause = min(pause * 2, 5.0, self._lease_seconds / 3)
