"""A worker's registration in SQL, which distinguishes a queue without workers from a slow one."""

import logging
import threading
from collections.abc import Callable

import sqlalchemy as sa

from jobyard.shared import registrations
from jobyard.shared.database import Database

log = logging.getLogger(__name__)


class Registration:
    """A thread in the parent of a worker's pool."""

    def __init__(self, database_url: str, queue: str) -> None:
        self._database = Database(database_url)
        self._name = ""
        self._queue = queue
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registration", daemon=True)

    def start(self, name: str) -> None:
        """Register under this name, and keep the registration fresh."""
        self._name = name
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
                self._database.dispose()
                return

    def _write(self, statement: Callable[..., None], **values: str) -> None:
        try:
            with self._database.write() as session:
                statement(session, name=self._name, **values)
        except sa.exc.SQLAlchemyError as error:
            log.warning("can't write this worker's registration: %s", str(error).splitlines()[0])
        finally:
            # SQLite's locks belong to a process: no connection may be open when the pool forks its children.
            # One to PostgreSQL is kept; the children have copies of its socket, and leave them alone.
            if self._database.engine.dialect.name == "sqlite":
                self._database.dispose()
