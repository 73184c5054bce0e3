"""The sender of webhooks: one thread with SQL, and for each try a thread that waits for the receiver.

Each webhook has a few tries at once, and one that failed last has one: a receiver that hangs holds its own
messages back, and nobody else's.
"""

import logging
import queue
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from typing import Final

import sqlalchemy as sa

from jobyard.shared import webhooks
from jobyard.shared.database import Database
from jobyard.shared.errors import WorkError
from jobyard.shared.webhooks import Outcome, Try
from jobyard.workers.fetching.networks import Resolve, Rules, resolve
from jobyard.workers.fetching.posts import MOST_SECONDS, Poster

log = logging.getLogger(__name__)

# How often it is looked what is due.
POLL_SECONDS: Final = 1.0
TRIES_AT_ONCE: Final = 4
# At its end the sender waits so long for the answers to what it has sent.
END_SECONDS: Final = 3.0

Result = tuple[Try, Outcome]


class Sender:
    """Sends what is due. Several may run, in other processes."""

    def __init__(
        self,
        database: Database,
        rules: Rules,
        *,
        look_up: Resolve = resolve,
        seconds: float = MOST_SECONDS,
    ) -> None:
        self._database = database
        self._poster = Poster(rules, look_up, seconds=seconds)
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        # What the database has not taken yet.
        self._unrecorded: list[Result] = []
        self._running: Counter[uuid.UUID] = Counter()
        self._failing: set[uuid.UUID] = set()

    @property
    def running(self) -> int:
        """Tries whose receiver has not answered yet."""
        return self._running.total()

    def run(self, ended: threading.Event) -> None:
        """Send until the event, then wait a moment for answers."""
        while not ended.is_set():
            try:
                self.step(POLL_SECONDS)
            except sa.exc.SQLAlchemyError as error:
                log.warning("can't send webhooks, retrying: %s", str(error).splitlines()[0])
                ended.wait(POLL_SECONDS)
        ends = time.monotonic() + END_SECONDS
        try:
            while self.running and (left := ends - time.monotonic()) > 0:
                self._collect(left)
            self._record()
        except sa.exc.SQLAlchemyError:
            log.warning("can't write what came of %d tries; they are made again", len(self._unrecorded))

    def step(self, seconds: float) -> None:
        """Begin what is due, then wait for an answer, at most so long. Raises SQLAlchemy's errors."""
        with self._database.autocommit() as connection:
            theirs = webhooks.due(connection)
        free = {one: self._free(one) for one in theirs if self._free(one)}
        if free or self._unrecorded:
            tries: list[Try] = []
            with self._database.write() as session:
                webhooks.record(session, self._unrecorded)
                for webhook_id, limit in free.items():
                    tries += webhooks.claim(session, webhook_id, limit)
            self._unrecorded.clear()
            for one in tries:
                self._begin(one)
        self._collect(seconds)
        # At once where nothing else is due: a page shows what was delivered.
        self._record()

    def _free(self, webhook_id: uuid.UUID) -> int:
        most = 1 if webhook_id in self._failing else TRIES_AT_ONCE
        return max(most - self._running[webhook_id], 0)

    def _begin(self, one: Try) -> None:
        self._running[one.webhook_id] += 1
        # A daemon: the process may end while a receiver hangs, and the try is made again.
        thread = threading.Thread(target=self._try, args=(one,), name=f"webhook-{one.id}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no room for one, and this thread must not end with it
            self._results.put((one, Outcome(error="the sender could start no thread; it tries again")))

    def _try(self, one: Try) -> None:
        outcome = Outcome(error="the sender failed; its log has the reason")
        try:
            outcome = self._sent(one)
        except Exception:
            log.exception("webhook %s, delivery %d: unexpected", one.webhook_id, one.id)
        finally:
            self._results.put((one, outcome))

    def _sent(self, one: Try) -> Outcome:
        body = one.body
        try:
            status = self._poster.post(one.url, body, one.headers(int(time.time())))
        except WorkError as error:
            return Outcome(error=error.message)
        if 200 <= status < 300:
            return Outcome(status)
        return Outcome(status, f"the receiver answered with {status}")

    def _collect(self, seconds: float) -> None:
        """Take the answers that are there, and wait for the first at most so long."""
        found: list[Result] = []
        with suppress(queue.Empty):
            found.append(self._results.get(timeout=seconds))
            while True:
                found.append(self._results.get_nowait())
        for one, outcome in found:
            self._note(one, outcome)

    def _note(self, one: Try, outcome: Outcome) -> None:
        self._running[one.webhook_id] -= 1
        if not self._running[one.webhook_id]:
            del self._running[one.webhook_id]
        self._unrecorded.append((one, outcome))
        if outcome.is_delivered:
            self._failing.discard(one.webhook_id)
            return
        self._failing.add(one.webhook_id)
        text = "webhook %s: try %d of delivery %d (%s) failed: %s"
        log.info(text, one.webhook_id, one.attempts, one.id, one.event, outcome.error)

    def _record(self) -> None:
        if self._unrecorded:
            with self._database.write() as session:
                webhooks.record(session, self._unrecorded)
            self._unrecorded.clear()
