"""A worker's registration in SQL, which distinguishes a queue without workers from a slow one."""

import logging
import os
import threading
from collections.abc import Callable

import sqlalchemy as sa

from jobyard.shared import registrations
from jobyard.shared.database import Database

log = logging.getLogger(__name__)


class Registration:
    """A thread in the parent of a worker's pool.

    It closes its connection after each statement: the children are forked from this process.
    """

    def __init__(self, database_url: str, queue: str) -> None:
        self._database_url = database_url
        self._name = ""
        self._queue = queue
        self._ended = threading.Event()
        # Held while it uses the database, and while the pool forks: a child that is forked in between has
        # copies of SQLite's and the driver's locks that nobody will release, and waits for them for ever.
        self._using = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="registration", daemon=True)

    def start(self, name: str) -> None:
        """Register under this name, and keep the registration fresh."""
        self._name = name
        held = self._using
        os.register_at_fork(before=held.acquire, after_in_parent=held.release, after_in_child=held.release)
        self._thread.start()

    def stop(self) -> None:
        """Deregister. The registration of a worker that is killed expires by itself."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=registrations.REGISTER_SECONDS)

    def _run(self) -> None:
        while True:
            self._write(registrations.register, queue=self._queue)
            if self._ended.wait(registrations.REGISTER_SECONDS):
                self._write(registrations.deregister)
                return

    def _write(self, statement: Callable[..., None], **values: str) -> None:
        with self._using:
            database = Database(self._database_url)
            try:
                with database.write() as session:
                    statement(session, name=self._name, **values)
            except sa.exc.SQLAlchemyError as error:
                log.warning("can't write this worker's registration: %s", str(error).splitlines()[0])
            finally:
                database.dispose()
