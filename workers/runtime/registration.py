"""A worker says in SQL that it is there, so that a queue without workers can be told from a slow one."""

import logging
import threading

import sqlalchemy as sa

from jobyard.shared import registrations
from jobyard.shared.database import Database

log = logging.getLogger(__name__)


class Registration:
    """A thread in the parent of a worker's pool.

    It closes its connection after each word: the children are forked from this process.
    """

    def __init__(self, database_url: str, queue: str) -> None:
        self._database_url = database_url
        self._name = ""
        self._queue = queue
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self, name: str) -> None:
        """Be there under this name."""
        self._name = name
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye; a worker that is killed can't, and is believed a while longer."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=registrations.REGISTER_SECONDS)

    def _run(self) -> None:
        while True:
            self._say(goodbye=False)
            if self._ended.wait(registrations.REGISTER_SECONDS):
                self._say(goodbye=True)
                return

    def _say(self, *, goodbye: bool) -> None:
        database = Database(self._database_url)
        try:
            with database.write() as session:
                if goodbye:
                    registrations.deregister(session, self._name)
                else:
                    registrations.register(session, name=self._name, queue=self._queue)
        except sa.exc.SQLAlchemyError as error:
            log.warning("can't say that this worker is there: %s", str(error).splitlines()[0])
        finally:
            database.dispose()
