"""Events for Flower: each job as a Celery task, with its kind and id."""

import logging
import os
import threading
import time
from collections import deque
from typing import Any

from celery import Celery
from celery.events.event import Event, get_exchange

from jobyard.shared import jobs, kinds
from jobyard.shared.broker import BROKER_ERRORS, RETRY
from jobyard.shared.jobs import State
from jobyard.shared.kinds import titles
from jobyard.workers.runtime.outcome import Outcome

log = logging.getLogger(__name__)

SEND_SECONDS = 0.5
# Events that are kept for an unreachable broker; older ones are dropped.
MAX_WAITING = 5_000


def _called(claim: jobs.Claim) -> str:
    """The job's name, or what it does."""
    if claim.parent_id is not None:
        return titles.of_part(claim.kind, claim.spec)
    return claim.name or claim.does or kinds.title(claim.kind, claim.spec, titles.NO_FILES)


def _told(state: State, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The event, with its fields, that gives a task the state that is nearest to the job's."""
    if state is State.SUCCEEDED:
        return "task-succeeded", fields
    if state is State.FAILED:
        return "task-failed", fields
    if state is State.CANCELLED:
        return "task-revoked", fields | {"terminated": False, "signum": None, "expired": False}
    # It is to run again: at once, or when it is resumed, or when its parts have ended.
    return "task-retried", fields | {"exception": fields["exception"] or state.value}


class Events:
    """Implements `workers.runtime.watcher.Watcher` for one process.

    A thread sends what has come together, so that it costs a job next to nothing. What can't be sent is
    lost: it is for display only.
    """

    def __init__(self, app: Celery, hostname: str) -> None:
        self._app = app
        self._hostname = hostname
        self._lock = threading.Lock()
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MAX_WAITING)
        self._came = threading.Event()
        self._began = 0.0
        threading.Thread(target=self._run, name="events", daemon=True).start()

    def started(self, claim: jobs.Claim) -> None:
        self._began = time.monotonic()
        if claim.attempt > 1:
            # To a receiver a task that had ended, or was left by a lost worker, begins again after this only.
            self._add("task-retried", {"exception": None, "traceback": None}, claim)
        # A job is claimed when it can start, so both happen now.
        received = {"args": str(claim.id), "kwargs": _called(claim), "retries": max(claim.attempt - 1, 0)}
        self._add("task-received", received, claim)
        self._add("task-started", {}, claim)

    def ended(self, claim: jobs.Claim, outcome: Outcome | None) -> None:
        if outcome is None:  # how it is now, its other worker or the sweeper says
            return
        fields: dict[str, Any] = {"exception": outcome.error, "traceback": outcome.traceback}
        if outcome.state is State.SUCCEEDED:
            fields |= {"result": outcome.state.value, "runtime": time.monotonic() - self._began}
        self._add(*_told(outcome.state, fields), claim)

    def moved(self, job: jobs.Job, worker: str, why: str | None) -> None:
        """The sweeper has taken a job from this worker (`cpu@machine/123`), or has ended it."""
        hostname = worker.rpartition("/")[0] or worker
        self._add(*_told(State(job.state), {"exception": why, "traceback": None}), job, hostname)

    def _add(
        self, type_: str, fields: dict[str, Any], job: jobs.Claim | jobs.Job, hostname: str | None = None
    ) -> None:
        event = Event(
            type_,
            uuid=str(job.id),
            name=job.kind,
            hostname=hostname or self._hostname,
            utcoffset=0,
            pid=os.getpid(),
            clock=self._app.clock.forward(),
            **fields,
        )
        with self._lock:
            self._waiting.append(event)
        self._came.set()

    def _run(self) -> None:
        while self._came.wait():
            time.sleep(SEND_SECONDS)
            self.send()

    def send(self) -> None:
        """What waits, now: to be called by a process that may end."""
        self._came.clear()
        with self._lock:
            events = list(self._waiting)
            self._waiting.clear()
        try:
            self._publish(events)
        # kombu raises RuntimeError for a pool that is closed, as it is where a process ends.
        except (*BROKER_ERRORS, RuntimeError) as error:
            log.debug("can't send %d events to Flower: %s", len(events), error)

    def _publish(self, events: list[dict[str, Any]]) -> None:
        if not events:
            return
        with self._app.producer_pool.acquire(block=True) as producer:
            exchange = get_exchange(producer.connection, name=self._app.conf.event_exchange)
            producer.publish(
                events,
                routing_key="task.multi",
                exchange=exchange,
                declare=[exchange],
                serializer=self._app.conf.event_serializer,
                headers={"hostname": self._hostname},
                delivery_mode="transient",
                # A connection that went stale since the last time; and without it, kombu lets through
                # whatever its transport raises.
                retry=True,
                retry_policy=RETRY,
            )
