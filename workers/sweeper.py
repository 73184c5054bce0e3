"""The sweeper: finds what was lost and puts it back. Several may run at once."""

import logging
import signal
import threading
import time
import uuid

import sqlalchemy as sa
from kombu.exceptions import OperationalError

from shared import jobs, retention, specs
from shared.broker import Broker
from shared.config import Settings
from shared.database import Database
from shared.storage import Storage

log = logging.getLogger(__name__)

SWEEP_SECONDS = 2.0
# A message needs a moment from the commit to the queue, and from the queue to the claim.
GRACE_SECONDS = 4.0
# How many lost messages one sweep makes good.
MAX_SENT = 1_000
# How soon a job that was overtaken is sent once more: its new message stands at the end of the queue.
AGAIN_SECONDS = 30.0
# How often old jobs are looked for, and rubbish in the storage.
FORGET_SECONDS = 60.0
TIDY_SECONDS = 3_600.0


class Sweeper:
    """Rescues jobs of lost workers, and sends queued jobs whose message is gone."""

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
        # Jobs that were sent again one by one, and when.
        self._sent_again: dict[uuid.UUID, float] = {}
        self._rescue_from = 0.0
        self._forget_from = 0.0
        self._tidy_from = 0.0
        # Queues that lacked messages at the last sweep. One look is not enough: a message between
        # the broker and its worker's claim is in neither count.
        self._lacking: set[str] = set()

    def sweep(self) -> None:
        """Once over everything. Raises what SQLAlchemy or kombu raise when theirs is away."""
        now = time.monotonic()
        try:
            with self._database.write() as session:
                rescued = jobs.rescue(session) if now >= self._rescue_from else []
                expired = jobs.expire(session)
        except sa.exc.SQLAlchemyError:
            # While the database was away no worker could renew its lease: they get the time to do so.
            self._rescue_from = time.monotonic() + self._lease_seconds
            raise
        for job in rescued:
            log.warning("job %s: its worker was lost, now it is %s", job.id, job.state)
        for job in expired:
            log.warning("job %s: %s", job.id, job.error_message)
        self._send_lost()
        # What waits comes before what is old: housekeeping can take long, or fail at the storage.
        if now >= self._forget_from:
            self._forget_from = now + FORGET_SECONDS
            self._forget()
        if now >= self._tidy_from:
            self._tidy_from = now + TIDY_SECONDS
            self._tidy()

    def _forget(self) -> None:
        if self._retention_days == 0:
            return
        with self._database.write() as session:
            keys = retention.forget(session, self._retention_days)
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
                log.warning("can't delete %s from the storage, will try again: %s", key, error)

    def _send_lost(self) -> None:
        with self._database.read() as session:
            ready = {
                queue.value: jobs.count_ready(session, queue.value, GRACE_SECONDS) for queue in specs.Queue
            }
        if not any(ready.values()):
            self._lacking.clear()
            return
        depths = self._broker.depths()
        lacking = {queue for queue, count in ready.items() if count > depths[queue]}
        for queue in lacking & self._lacking:
            with self._database.read() as session:
                lost = jobs.ready(session, queue, GRACE_SECONDS, MAX_SENT)
            # Which of them has lost its message can't be told; a second message claims nothing.
            sent = sum(self._broker.send(job) for job in lost)
            log.warning("queue %s: %d of %d waiting jobs sent again", queue, sent, ready[queue])
        for queue in ready.keys() - lacking:
            self._send_overtaken(queue)
        # What was just sent needs two new looks before it is sent again.
        self._lacking = lacking - self._lacking

    def _send_overtaken(self, queue: str) -> None:
        """On a busy queue new messages hide that an old one is gone; that later jobs run shows it."""
        now = time.monotonic()
        self._sent_again = {job_id: at for job_id, at in self._sent_again.items() if at > now - AGAIN_SECONDS}
        with self._database.read() as session:
            lost = jobs.overtaken(session, queue, GRACE_SECONDS)
        for job in lost:
            if job.id not in self._sent_again and self._broker.send(job):
                self._sent_again[job.id] = now
                log.warning("job %s: sent again, later ones were started before it", job.id)


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
            log.warning("can't sweep now, will try again: %s", str(error).splitlines()[0])
    return 0
