"""The Celery app of the workers: `python -m jobyard.workers gpu`.

This module and `workers.runtime.tasks` are imported by the parents of pools, which never import TensorFlow:
the work is imported in the child that does it.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import billiard.util
from billiard.compat import mem_rss
from billiard.process import active_children
from celery import Celery, signals

from jobyard.shared import logs
from jobyard.shared.broker import make_celery
from jobyard.shared.config import Settings
from jobyard.shared.kinds.base import Queue

# A process that has imported TensorFlow holds twice as much, one that has not, half.
WITHOUT_TENSORFLOW_KB = 200_000

# Set in a pool's child when its worker is being stopped: its job goes back to the queue.
stopping = threading.Event()


def make_worker(settings: Settings, queue: Queue) -> Celery:
    """The app for one queue, with the pool that its work needs."""
    app = make_celery(settings)
    app.conf.include = ["jobyard.workers.runtime.tasks"]
    app.conf.worker_consumer = "jobyard.workers.runtime.consumer:Consumer"
    app.conf.worker_redirect_stdouts = False
    # A child that starts on a loaded machine takes longer than Celery's four seconds, and was killed for it.
    app.conf.worker_proc_alive_timeout = 60.0
    if queue is Queue.CPU:
        app.conf.worker_concurrency = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    else:
        # TensorFlow hangs after a fork, so the child is a fresh interpreter.
        app.conf.worker_pool_start_method = "spawn"
        app.conf.worker_concurrency = 1
    if queue is Queue.GPU:
        # TensorFlow gives GPU memory back only when its process ends. One that only found that there was
        # nothing to do stays: a new one takes seconds.
        app.conf.worker_max_memory_per_child = WITHOUT_TENSORFLOW_KB
    elif settings.max_process_bytes:
        app.conf.worker_max_memory_per_child = settings.max_process_bytes // 1024
    return app


def has_outgrown(settings: Settings) -> bool:
    """Whether the pool will replace this child after its message, since it has held too much memory."""
    held: int = mem_rss()
    return 0 < settings.max_process_bytes // 1024 < held


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def set_up_logging(loglevel: int | str = logging.INFO, **_: Any) -> None:
    """Ours in place of Celery's, so that parent, children and sweeper log alike."""
    format_ = Settings.load().log_format
    logs.set_up(loglevel, format_)
    logs.wrap_printed(format_)
    logging.captureWarnings(True)
    # jobyard.workers.runtime.executor logs the same, better.
    for name in ("celery.app.trace", "celery.worker.strategy"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Which the pool's library keeps to itself otherwise: without a handler, it would have no stamp.
    pool = billiard.util.get_logger()
    pool.setLevel(logging.WARNING)
    pool.propagate = True


@contextmanager
def heeding_stop() -> Iterator[None]:
    """In the child, around its jobs: SIGTERM means "release your job", not "die in the middle of it".

    The pool sets its own handlers after `worker_process_init`, so this can't be done once and for all.
    """
    # If only the child was signalled, and not its worker, it continues with the next job.
    stopping.clear()
    before = signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _tell_children(**_: Any) -> None:
    """In the parent: a stop of the parent alone (as by docker stop) stops the children, too."""
    for child in active_children():
        os.kill(child.pid, signal.SIGTERM)
