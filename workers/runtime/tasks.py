"""The Celery task: a message wakes a process, which does the jobs of a queue until none is left."""

import functools
import logging
import os
from typing import Any

import sqlalchemy as sa
from celery import shared_task

from jobyard.shared.broker import WAKE_UP
from jobyard.shared.kinds.base import Queue
from jobyard.workers import kinds
from jobyard.workers.runtime import watchdog
from jobyard.workers.runtime.app import has_outgrown, heeding_stop, stopping
from jobyard.workers.runtime.context import current_context
from jobyard.workers.runtime.events import Events
from jobyard.workers.runtime.executor import Executor

log = logging.getLogger(__name__)


@functools.cache
def _events(hostname: str) -> Events:
    return Events(current_context().broker.app, hostname)


@shared_task(bind=True, name=WAKE_UP)  # type: ignore[untyped-decorator]
def wake_up(task: Any, queue: str) -> int:
    """Returns how many jobs were run; their outcomes are in SQL."""
    hostname = task.request.hostname
    watchdog.start(current_context().settings.lease_seconds)
    events = _events(hostname)
    # TensorFlow gives a GPU's memory back only when its process ends.
    single = queue == Queue.GPU
    with heeding_stop():
        executor = Executor(
            current_context(),
            kinds.WORKS,
            queue,
            f"{hostname}/{os.getpid()}",
            stopping,
            events,
            single=single,
            # A child that would be replaced after its message should not go on with one job after another.
            is_worn=lambda: has_outgrown(current_context().settings),
        )
        try:
            return executor.run()
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            # The sweeper wakes the queue again once the database is back.
            log.warning("queue %s: can't check for jobs: %s", queue, str(error).splitlines()[0])
            return 0
        finally:
            if single or stopping.is_set():
                events.send()
