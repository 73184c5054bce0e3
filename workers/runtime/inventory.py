"""Counts what the storage holds, beside the sweeper: a listing may take minutes, and nothing waits for it."""

import logging
import threading
import time
from typing import Final

import sqlalchemy as sa

from jobyard.shared import storage, sweeper_actions
from jobyard.shared.database import Database
from jobyard.shared.errors import DiskFull, StorageFailed
from jobyard.shared.storage import Storage

log = logging.getLogger(__name__)

# How often it is counted, by one of the sweepers; and of a storage whose listing takes long, so that the
# listings take at most one part in so many of the time.
COUNT_SECONDS: Final = 900.0
SHARE: Final = 20.0
# How often a sweeper looks whether it is due.
LOOK_SECONDS: Final = 30.0


def count(database: Database, store: Storage) -> float:
    """Count and write it down. Returns the seconds that it took.

    Raises StorageFailed, DiskFull and SQLAlchemy's errors.
    """
    began = time.monotonic()
    found = storage.count_stored(store.objects)
    with database.read() as session:
        size = storage.database_bytes(session)
    with database.write() as session:
        storage.forget_empty(session, found)
        storage.keep_totals(session, found | {storage.DATABASE: storage.Total(0, size)})
        sweeper_actions.note_actions(session, {"listed": sum(total.files for total in found.values())})
    return time.monotonic() - began


class Inventory(threading.Thread):
    """Counts again and again, until `ended` is set."""

    def __init__(self, database: Database, store: Storage, ended: threading.Event) -> None:
        super().__init__(name="inventory", daemon=True)
        self._database = database
        self._store = store
        self._ended = ended

    def run(self) -> None:
        due_at = 0.0
        while not self._ended.is_set():
            if time.monotonic() >= due_at:
                try:
                    due_at = time.monotonic() + self._count()
                except (sa.exc.SQLAlchemyError, StorageFailed, DiskFull) as error:
                    log.warning("can't count what is stored, retrying: %s", str(error).splitlines()[0])
            self._ended.wait(LOOK_SECONDS)

    def _count(self) -> float:
        """Returns how many seconds to wait for the next time."""
        with self._database.read() as session:
            if storage.is_counted(session, COUNT_SECONDS):
                return LOOK_SECONDS
        return max(COUNT_SECONDS, SHARE * count(self._database, self._store))
