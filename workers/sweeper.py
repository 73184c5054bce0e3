"""The sweeper: finds what was lost and puts it back. Several may run at once."""

import logging
import signal
import threading

import sqlalchemy as sa
from kombu.exceptions import OperationalError

from shared import jobs, specs
from shared.broker import Broker
from shared.config import Settings
from shared.database import Database

log = logging.getLogger(__name__)

SWEEP_SECONDS = 2.0
# A message needs a moment from the commit to the queue, and from the queue to the claim.
GRACE_SECONDS = 4.0
# How many lost messages one sweep makes good.
MAX_SENT = 1_000


class Sweeper:
    """Rescues jobs of lost workers, and sends queued jobs whose message is gone."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker
        # Queues that lacked messages at the last sweep. One look is not enough: a message between
        # the broker and its worker's claim is in neither count.
        self._lacking: set[str] = set()

    def sweep(self) -> None:
        """Once over everything. Raises what SQLAlchemy or kombu raise when theirs is away."""
        with self._database.write() as session:
            rescued = jobs.rescue(session)
        for job in rescued:
            log.warning("job %s: its worker was lost, now it is %s", job.id, job.state)
        self._send_lost()

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
        # What was just sent needs two new looks before it is sent again.
        self._lacking = lacking - self._lacking


def main(settings: Settings) -> int:
    """Sweep until SIGTERM or SIGINT."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    sweeper = Sweeper(Database(settings.database), Broker(settings))
    log.info("sweeping every %g s", SWEEP_SECONDS)
    while not ended.wait(SWEEP_SECONDS):
        try:
            sweeper.sweep()
        except (sa.exc.SQLAlchemyError, OperationalError, OSError) as error:
            log.warning("can't sweep now, will try again: %s", str(error).splitlines()[0])
    return 0
