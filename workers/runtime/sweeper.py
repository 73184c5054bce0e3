"""The sweeper: rescues jobs of lost workers, and deletes what retention allows. Several may run at once."""

import datetime
import logging
import signal
import threading
import time
from collections import Counter

import sqlalchemy as sa

from jobyard.shared import jobs, outcomes, retention, storage, sweeper_actions, webhooks
from jobyard.shared.broker import BROKER_ERRORS, Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database, serving_seconds
from jobyard.shared.errors import DiskFull, StorageFailed
from jobyard.shared.kinds.base import Queue
from jobyard.shared.open_transactions import oldest_transaction
from jobyard.shared.storage import Storage
from jobyard.workers.runtime.events import Events
from jobyard.workers.runtime.inventory import Inventory
from jobyard.workers.runtime.webhooks import Sender

log = logging.getLogger(__name__)

SWEEP_SECONDS = 2.0
# A message needs a moment from the commit to the queue, and from the queue to the claim.
GRACE_SECONDS = 1.0
# How often it is looked whether readers need counts; jobs themselves are counted once a minute at most.
RECOUNT_SECONDS = 10.0
# How often webhooks are told of jobs that wait for long.
TELL_SECONDS = 10.0
# In which a job's last worker is found.
LAST_EVENTS = 10
# How often it says that it sweeps.
MARK_SECONDS = 10.0
# Counting takes at most such a share of its time.
TALLY_SHARE = 0.05
# Old jobs that ended while no sweeper ran are counted in so many transactions of a sweep.
TOTALS_AT_ONCE = 10
# How often old jobs are deleted, and bytes that no row refers to any more.
FORGET_SECONDS = 60.0
# How often the storage's epoch is raised: a dump that is older, or a copy that runs beside, is found out.
EPOCH_SECONDS = 600.0
# How often a transaction that is open for long is mentioned in the log.
WARN_SECONDS = 600.0
# How often the storage is listed for what nothing refers to, by one of the sweepers.
ORPHANS_SECONDS = 86_400.0


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
        waiting_long_seconds: float = 0.0,
    ) -> None:
        self._database = database
        self._broker = broker
        self._events: Events | None = None  # no thread before there is something to tell
        self._storage = storage
        self._lease_seconds = lease_seconds
        self._retention_days = retention_days
        self._waiting_long_seconds = waiting_long_seconds
        self._rescue_from: float | None = None
        self._tell_from = 0.0
        self._recount_from = 0.0
        self._tally_from = 0.0
        self._mark_from = 0.0
        self._warn_from = 0.0
        self._forget_from = 0.0
        self._advance_from = 0.0
        self._remove_from = 0.0
        # What was done since that was last written down.
        self._did: Counter[str] = Counter()

    def sweep(self) -> None:
        """Sweep once. Raises SQLAlchemy's errors or BROKER_ERRORS if database or broker are unreachable."""
        now = time.monotonic()
        # While the database was unreachable no worker could renew its lease: they get the time to do so.
        try:
            with self._database.write() as session:
                if self._rescue_from is None:
                    self._rescue_from = now + self._lease_seconds - serving_seconds(session)
                rescued = jobs.rescue(session) if now >= self._rescue_from else []
                expired = jobs.expire(session)
                settled = jobs.settle(session)
                if now >= self._mark_from:
                    jobs.set_mark(session, jobs.SWEPT)
                ended_until = jobs.settled_until(session)
        except sa.exc.SQLAlchemyError:
            self._rescue_from = time.monotonic() + self._lease_seconds
            raise
        if now >= self._mark_from:
            self._mark_from = now + MARK_SECONDS
        for job in rescued:
            log.warning("job %s: its worker was lost; it is now %s", job.id, job.state)
        for job in expired:
            log.warning("job %s: %s", job.id, job.error_message)
        self._tell_flower([*rescued, *expired])
        for job in settled:
            log.warning("job %s: none of its children was running; it is now %s", job.id, job.state)
        self._did.update(rescued=len(rescued), expired=len(expired), settled=len(settled))
        # A broker that is away, for which jobs pile up, ends the sweep at the step after this one.
        self._count(ended_until)
        if now >= self._warn_from:
            self._warn_from = now + WARN_SECONDS
            warn_of_old_transaction(self._database)
        self._tell_of_long_waits()
        self._wake()
        # What waits comes before what is old: housekeeping can take long, or fail at the storage.
        if now >= self._forget_from:
            self._forget_from = now + FORGET_SECONDS
            self._forget()

    def _tell_of_long_waits(self) -> None:
        if not self._waiting_long_seconds or time.monotonic() < self._tell_from:
            return
        queues = [queue.value for queue in Queue]
        with self._database.write() as session:
            is_more = jobs.tell_of_long_waits(session, queues, self._waiting_long_seconds)
        self._tell_from = 0.0 if is_more else time.monotonic() + TELL_SECONDS

    def _tell_flower(self, moved: list[jobs.Job]) -> None:
        """Flower still has them at their workers, which don't say any more what became of them."""
        for job in moved:
            with self._database.read() as session:
                events, _ = jobs.last_events(session, job.id, LAST_EVENTS)
            worker = next((event.worker for event in reversed(events) if event.worker), None)
            if worker is not None:
                self._events = self._events or Events(self._broker.app, worker)
                self._events.moved(job, worker, events[-1].message)

    def _count(self, ended_until: datetime.datetime) -> None:
        now = time.monotonic()
        count_ended(self._database, ended_until)
        if now >= self._tally_from:
            taken = tally(self._database)
            self._tally_from = now + taken / TALLY_SHARE
        if now >= self._recount_from:
            self._recount_from = now + RECOUNT_SECONDS
            recount(self._database)
            self._note_actions()

    def _forget(self) -> None:
        self._storage.identity.require()
        if time.monotonic() >= self._advance_from:
            self._storage.identity.advance()
            self._advance_from = time.monotonic() + EPOCH_SECONDS
        # To a dump of some time ago many jobs look old at once: neither their rows nor their bytes are
        # deleted until somebody says that the storage is this database's.
        if not self._storage.identity.may_delete():
            return
        with self._database.write() as session:
            jobs.forget_checkpoints(session)
            retention.forget_previews(session)
        if self._retention_days:
            with self._database.write() as session:
                _, is_more = retention.forget(session, self._retention_days)
            with self._database.write() as session:
                is_more |= webhooks.forget(session, self._retention_days)
            if is_more:  # not all at once, and not a minute later
                self._forget_from = 0.0
        # A share of all files at most, and not more often while much is forgotten: see `retention.due`.
        if time.monotonic() >= self._remove_from:
            self._remove_from = time.monotonic() + FORGET_SECONDS
            with self._database.write() as session:
                due = retention.due(session)
            self._did["removed"] += self._storage.remove(due)
        with self._database.write() as session:
            counts_orphans = storage.take_turn_to_count(session, ORPHANS_SECONDS)
        if counts_orphans:
            self._count_orphans()

    def _note_actions(self) -> None:
        """Not after each sweep, for nobody looks so often."""
        if did := {name: count for name, count in self._did.items() if count}:
            with self._database.write() as session:
                sweeper_actions.note_actions(session, did)
        self._did.clear()

    def _count_orphans(self) -> None:
        count = size = 0
        for orphan in storage.orphans(self._storage.objects, self._database):
            count, size = count + 1, size + orphan.bytes
        self._did["orphans"] += count
        if count:
            what = f"{count:,} orphans of {size:,} bytes, which nothing refers to and nothing deletes"
            log.warning("the storage has %s; %s lists them", what, storage.LIST_ORPHANS)

    def _wake(self) -> None:
        """One message in a queue is enough: the worker that gets it continues until no job is ready."""
        with self._database.read() as session:
            ready = {
                queue.value: jobs.count_claimable(session, queue.value, GRACE_SECONDS) for queue in Queue
            }
        if not any(ready.values()):
            return
        depths = self._broker.depths()
        for queue, count in ready.items():
            if count and not depths[queue] and self._broker.wake(queue, count):
                self._did["woken"] += 1
                log.info(
                    "queue %s: %d jobs are queued without a wake-up message; waking its workers", queue, count
                )


def recount(database: Database) -> None:
    """Count jobs and files that readers don't count. A million take a while, so it is no part of a write."""
    with database.read() as session:
        numbers = jobs.recount(session, [queue.value for queue in Queue])
        totals = storage.recount(session)
        ended = outcomes.count(session)
    if numbers or totals or ended:
        with database.write() as session:
            jobs.keep_counts(session, numbers)
            outcomes.keep(session, ended)
            storage.keep_totals(session, totals)


def count_ended(database: Database, until: datetime.datetime) -> None:
    """Add the jobs that have ended to the totals, unless another sweeper is doing so."""
    for _ in range(TOTALS_AT_ONCE):
        with database.read() as session:
            ended = jobs.ended_until(session, until)
        if ended is None:
            return
        with database.write() as session:
            is_kept = jobs.keep_ended(session, ended)
        if ended.is_all or not is_kept:
            return


def tally(database: Database) -> float:
    """Count the jobs that have not ended where readers don't. For how many seconds it did."""
    began = time.monotonic()
    with database.read() as session:
        queues = [queue.value for queue in Queue]
        found, owned = jobs.count_tallies(session, queues), jobs.count_owners(session, queues)
    if found or owned:
        with database.write() as session:
            jobs.keep_tallies(session, found)
            jobs.keep_owners(session, owned)
    return time.monotonic() - began


def warn_of_old_transaction(database: Database) -> None:
    """Say in the log what makes PostgreSQL slower and larger, until it ends."""
    with database.read() as session:
        found = oldest_transaction(session)
    if found is not None and found.is_long:
        minutes = found.seconds / 60
        log.warning("a transaction has been open on PostgreSQL for %.0f min: %s", minutes, found.holder)


def main(settings: Settings) -> int:
    """Sweep until SIGTERM or SIGINT."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    database = Database(settings.database)
    store = Storage(settings.storage, database)
    store.identity.require_at_start()
    sweeper = Sweeper(
        database,
        Broker(settings),
        store,
        lease_seconds=settings.lease_seconds,
        retention_days=settings.retention_days,
        waiting_long_seconds=settings.waiting_long_seconds,
    )
    sender = Sender(database, settings.webhook_destinations)
    sending = threading.Thread(target=sender.run, args=(ended,), name="webhooks")
    sending.start()
    Inventory(database, store, ended).start()
    log.info("sweeping every %g s", SWEEP_SECONDS)
    while not ended.wait(SWEEP_SECONDS):
        try:
            sweeper.sweep()
        except (sa.exc.SQLAlchemyError, StorageFailed, DiskFull, *BROKER_ERRORS) as error:
            log.warning("can't sweep, retrying: %s", str(error).splitlines()[0])
    sending.join()
    return 0
