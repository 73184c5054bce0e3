"""The sweeper: rescues jobs of lost workers, and deletes what retention allows. Several may run at once."""

import logging
import signal
import threading
import time

import sqlalchemy as sa
from kombu.exceptions import OperationalError

from jobyard.shared import jobs, retention
from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database, serving_seconds
from jobyard.shared.kinds.base import Queue
from jobyard.shared.storage import Storage

log = logging.getLogger(__name__)

SWEEP_SECONDS = 2.0
# A message needs a moment from the commit to the queue, and from the queue to the claim.
GRACE_SECONDS = 1.0
# How often old jobs are deleted, and rubbish in the storage.
FORGET_SECONDS = 60.0
TIDY_SECONDS = 3_600.0


class Sweeper:
    """Rescues jobs of lost workers, and wakes the workers of queues that lost their messages."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        storage: Storage,
        *,
        lease_seconds: float,
        retention_days: float,
    ) -> None:
        self._database = database
        self._broker = broker
        self._storage = storage
        self._lease_seconds = lease_seconds
        self._retention_days = retention_days
        self._rescue_from: float | None = None
        self._forget_from = 0.0
        self._tidy_from = 0.0

    def sweep(self) -> None:
        """Sweep once. Raises the errors of SQLAlchemy or kombu if database or broker are unreachable."""
        now = time.monotonic()
        # While the database was unreachable no worker could renew its lease: they get the time to do so.
        try:
            with self._database.write() as session:
                if self._rescue_from is None:
                    self._rescue_from = now + self._lease_seconds - serving_seconds(session)
                rescued = jobs.rescue(session) if now >= self._rescue_from else []
                expired = jobs.expire(session)
                settled = jobs.settle(session)
        except sa.exc.SQLAlchemyError:
            self._rescue_from = time.monotonic() + self._lease_seconds
            raise
        for job in rescued:
            log.warning("job %s: its worker was lost; it is now %s", job.id, job.state)
        for job in expired:
            log.warning("job %s: %s", job.id, job.error_message)
        for job in settled:
            log.warning("job %s: none of its children was running; it is now %s", job.id, job.state)
        self._wake()
        # What waits comes before what is old: housekeeping can take long, or fail at the storage.
        if now >= self._forget_from:
            self._forget_from = now + FORGET_SECONDS
            self._forget()
        if now >= self._tidy_from:
            self._tidy_from = now + TIDY_SECONDS
            self._tidy()

    def _forget(self) -> None:
        with self._database.write() as session:
            keys = jobs.forget_checkpoints(session)
        self._delete(keys)
        if self._retention_days == 0:
            return
        with self._database.write() as session:
            keys, is_more = retention.forget(session, self._retention_days)
        if is_more:  # not all at once, and not a minute later
            self._forget_from = 0.0
        self._delete(keys)

    def _tidy(self) -> None:
        with self._database.read() as session:
            keys = retention.rubbish(session, self._storage)
        self._delete(keys)

    def _delete(self, keys: list[str]) -> None:
        for key in keys:
            try:
                self._storage.delete(key)
            except OSError as error:
                log.warning("can't delete %s from the storage, will retry: %s", key, error)

    def _wake(self) -> None:
        """One message in a queue is enough: the worker that gets it continues until no job is ready."""
        with self._database.read() as session:
            ready = {queue.value: jobs.count_ready(session, queue.value, GRACE_SECONDS) for queue in Queue}
        if not any(ready.values()):
            return
        depths = self._broker.depths()
        for queue, count in ready.items():
            if count and not depths[queue] and self._broker.wake(queue, count):
                log.info(
                    "queue %s: %d jobs are queued without a wake-up message; waking its workers", queue, count
                )


def main(settings: Settings) -> int:
    """Sweep until SIGTERM or SIGINT."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    sweeper = Sweeper(
        Database(settings.database),
        Broker(settings),
        Storage(settings.storage),
        lease_seconds=settings.lease_seconds,
        retention_days=settings.retention_days,
    )
    log.info("sweeping every %g s", SWEEP_SECONDS)
    while not ended.wait(SWEEP_SECONDS):
        try:
            sweeper.sweep()
        except (sa.exc.SQLAlchemyError, OperationalError, OSError) as error:
            log.warning("can't sweep, retrying: %s", str(error).splitlines()[0])
    return 0
