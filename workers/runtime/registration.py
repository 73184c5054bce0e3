"""A worker's registration in SQL, which distinguishes a queue without workers from a slow one.

It also makes a worker's name its own: of two with one name nobody could tell whose job or log it is.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from celery.worker import state
from sqlalchemy.orm import Session

from jobyard.shared import registrations
from jobyard.shared.database import Database
from jobyard.shared.disk import Disk
from jobyard.shared.errors import ConfigError
from jobyard.shared.registrations import Holder, Registered, Room
from jobyard.workers.runtime import consumption
from jobyard.workers.runtime.processes import has_ended, this_process

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5


class Registration:
    """A thread in the parent of a worker's pool."""

    def __init__(self, database_url: str, queue: str, name: str, disk: Disk | None = None) -> None:
        self._database = Database(database_url)
        self._disk = disk
        self._name = name
        self._queue = queue
        self._process = this_process()
        self._ended = threading.Event()
        # Held while it uses the database, and while the pool forks: a child that is forked in between has
        # copies of SQLite's and the driver's locks that nobody will release, and waits for them for ever.
        self._using = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="registration", daemon=True)
        # Why this worker is to end.
        self.refused: ConfigError | None = None

    def claim(self) -> None:
        """Take the name, before there is a pool. Raises ConfigError if a running worker has it.

        The name of a worker that was killed on this machine is free; that of one elsewhere is free when it
        has not been seen for `ALIVE_SECONDS`, and this waits for that.
        """
        try:
            self._claim()
        finally:
            self._database.dispose()

    def _claim(self) -> None:
        first: Holder | None = None
        while isinstance(holder := self._renew(), Holder):
            first = first or holder
            has_gone = has_ended(holder.process)
            if has_gone is False or holder != first:
                raise self._refusal(holder)
            if has_gone and not isinstance(self._renew(instead_of=holder.process), Holder):
                return
            if not has_gone:
                time.sleep(LOOK_SECONDS)

    def start(self) -> None:
        """Keep the registration fresh, for as long as this process runs."""
        held = self._using
        os.register_at_fork(before=held.acquire, after_in_parent=held.release, after_in_child=held.release)
        self._thread.start()

    def stop(self) -> None:
        """Deregister. The registration of a worker that is killed expires by itself."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=registrations.REGISTER_SECONDS)

    def _run(self) -> None:
        try:
            while not isinstance(holder := self._renew(), Holder):
                if isinstance(holder, Registered):
                    self._note_draining(holder.draining)
                if self._ended.wait(registrations.REGISTER_SECONDS):
                    self._write(self._deregister)
                    return
            # This one was not seen for so long that another process could take its name.
            self.refused = self._refusal(holder)
            state.should_stop = True
        finally:
            self._database.dispose()

    def _note_draining(self, draining: bool) -> None:
        if draining and not consumption.draining.is_set():
            log.info("this worker is draining: it finishes its jobs and claims no more")
            consumption.draining.set()
        elif not draining and consumption.draining.is_set():
            log.info("this worker is not draining any more")
            consumption.draining.clear()

    def _refusal(self, holder: Holder) -> ConfigError:
        pid = holder.process.split("/")[-2]
        return ConfigError(
            f"--name: a worker called {self._name} is running already (process {pid}); "
            "give each worker of a queue on one machine a name of its own"
        )

    def _renew(self, instead_of: str | None = None) -> Registered | Holder | None:
        # Not in the transaction: a network's file system may hang, and SQLite has one writer at a time.
        room = self._room()
        return self._write(
            lambda session: registrations.register(
                session,
                name=self._name,
                queue=self._queue,
                process=self._process,
                instead_of=instead_of,
                room=room,
            )
        )

    def _room(self) -> Room | None:
        try:
            return None if self._disk is None else Room(*self._disk.room())
        except OSError as error:  # of a network's file system, say: the worker runs all the same
            log.warning("can't see how much disk is free: %s", error)
            return None

    def _deregister(self, session: Session) -> None:
        registrations.deregister(session, name=self._name, process=self._process)

    def _write(self, change: Callable[[Session], Registered | Holder | None]) -> Registered | Holder | None:
        """What it returns; None, too, while the database can't be reached."""
        with self._using:
            try:
                with self._database.write() as session:
                    return change(session)
            except sa.exc.SQLAlchemyError as error:
                log.warning("can't write this worker's registration: %s", str(error).splitlines()[0])
                return None
            finally:
                # SQLite's locks belong to a process: no connection may be open when the pool forks its
                # children. One to PostgreSQL is kept; they have copies of its socket, and leave them alone.
                if self._database.engine.dialect.name == "sqlite":
                    self._database.dispose()
