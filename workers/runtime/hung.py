"""Work that has hung: it makes no progress, or does not stop when it is asked to.

A heartbeat is no proof of life: its thread runs whatever the work does. Where not even that runs, since C
code holds the interpreter's lock, the lease expires, and `watchdog` ends the process.
"""

import logging
import os
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Never

import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.config import StallAction
from jobyard.shared.database import Database
from jobyard.shared.errors import Cancelled, Interrupted, Paused, Stopping
from jobyard.shared.texts import duration

log = logging.getLogger(__name__)

# Work that will be continued takes longer to stop: a training first writes a checkpoint.
SAVING: Final = 6


def end_process() -> Never:
    """By the one signal that ends it wherever its other threads are. The pool starts a new one."""
    os.kill(os.getpid(), signal.SIGKILL)
    while True:  # the signal may take a moment
        time.sleep(1)


@dataclass(frozen=True)
class Limits:
    """After how long without progress (None: never) what is done, and how long it may take to stop."""

    stall_seconds: float | None
    action: StallAction
    stop_seconds: float


class Watch:
    """The steps of one attempt's work, as the thread of its heartbeats sees them.

    To be made in the thread of the work, whose traceback goes to the timeline.
    """

    def __init__(
        self,
        database: Database,
        job_id: uuid.UUID,
        lease: uuid.UUID,
        limits: Limits,
        end: Callable[[], object] = end_process,
    ) -> None:
        self._database = database
        self._job_id = job_id
        self._lease = lease
        self._limits = limits
        self._end = end
        self._thread = threading.get_ident()
        self._steps = 0
        self._stepped_at = time.monotonic()
        self._asked_at: float | None = None
        self._is_noted = False

    def look(self, steps: int, asked: Interrupted | None) -> None:
        """The work has taken so many `steps`, and was `asked` to stop; never raises for the database."""
        now = time.monotonic()
        stood = now - self._stepped_at
        if steps != self._steps:
            self._steps, self._stepped_at = steps, now
        if asked is None:
            self._asked_at = None
        elif self._asked_at is None:
            self._asked_at = now
        try:
            if self._asked_at is not None and now - self._asked_at > self._patience(asked):
                self._stop(asked)
            elif self._is_noted and self._stepped_at == now:
                self._note_steps(stood)
            elif asked is None and not self._is_noted and self._stands_too_long(now):
                self._note_stall(now - self._stepped_at)
        except sa.exc.SQLAlchemyError as error:
            reason = str(error).splitlines()[0]
            log.warning("job %s: can't write that its work has hung, retrying: %s", self._job_id, reason)

    def _patience(self, asked: Interrupted | None) -> float:
        """How many seconds the work may take to stop."""
        return self._limits.stop_seconds * (SAVING if isinstance(asked, Paused | Stopping) else 1)

    def _stands_too_long(self, now: float) -> bool:
        limit = self._limits.stall_seconds
        return limit is not None and now - self._stepped_at > limit

    def _note_steps(self, stood: float) -> None:
        with self._database.write() as session:
            message = f"progress again after {duration(stood)}"
            jobs.note_steps(session, self._job_id, self._lease, message)
        self._is_noted = False

    def _note_stall(self, seconds: float) -> None:
        message, where = f"no progress for {duration(seconds)}", self._where()
        action = self._limits.action
        held = self._job_id, self._lease
        with self._database.write() as session:
            match action:
                case "report":
                    found: object = jobs.note_stall(session, *held, message, where, seconds=seconds)
                case "restart":
                    found = jobs.restart(session, *held, message, where)
                case "fail":
                    found = jobs.fail(
                        session, *held, error_type=jobs.STALLED, message=message, traceback=where
                    )
        self._is_noted = True
        if found is None:  # another worker has the job
            return
        log.error("job %s: %s; its work is at:\n%s", self._job_id, message, where)
        if action != "report":
            self._end()

    def _stop(self, asked: Interrupted | None) -> None:
        """End the process, and before that the attempt, as the work should have done."""
        patience = duration(self._patience(asked))
        message = f"its work did not stop within {patience}, and its process was ended"
        where = self._where()
        with self._database.write() as session:
            match asked:
                case Cancelled():
                    jobs.finish_cancel(session, self._job_id, self._lease, message, where)
                case Paused() | Stopping():
                    jobs.release(session, self._job_id, self._lease, message, where)
        log.error("job %s: %s; it was at:\n%s", self._job_id, message, where)
        self._end()

    def _where(self) -> str | None:
        frame = sys._current_frames().get(self._thread)
        return None if frame is None else "".join(traceback.format_stack(frame))
