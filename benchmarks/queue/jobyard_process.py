"""Jobyard's side of the engine benchmark: a worker whose sentiment jobs do nothing, and a submitter.

`python -m benchmarks.queue.jobyard_process worker | submit`. The worker is the product's own, task,
lease, heartbeat thread, scratch folder and timeline included; only the work is replaced.
"""

import sys
from typing import Any

from sqlalchemy.orm import Session

from benchmarks.queue import submitter
from jobyard.shared import jobs
from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.kinds.base import Queue
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers import kinds
from jobyard.workers.runtime.app import make_worker, set_up_logging
from jobyard.workers.runtime.attempt import Attempt, Finish

PROCESSES = 2
SPEC = SentimentSpec(texts=["nothing"]).model_dump(mode="json")


def do_nothing(_attempt: Attempt, _spec: Any) -> Finish:
    def finish(_session: Session) -> dict[str, Any]:
        return {}

    return finish


def work(settings: Settings) -> None:
    """Run the worker of queue `cpu` as `python -m jobyard.workers cpu` does, with PROCESSES processes."""
    kinds.WORKS["sentiment"] = do_nothing
    set_up_logging(settings.log_level)
    app = make_worker(settings, Queue.CPU)
    app.conf.worker_concurrency = PROCESSES
    options = ["--queues=cpu", f"--loglevel={settings.log_level}", "--without-gossip", "--without-mingle"]
    app.worker_main(["--quiet", "worker", *options])


def submit(settings: Settings) -> None:
    """What the web does with a validated request: insert, commit, send."""
    database, broker = Database(settings.database), Broker(settings)
    request = jobs.Request(kind="sentiment", queue=Queue.CPU.value, spec=SPEC, priority=5, max_attempts=3)

    def once() -> None:
        with database.begin(single=True) as connection:
            jobs.submit_each(connection, [request])
        assert broker.wake(request.queue)  # noqa: S101 - a benchmark

    submitter.serve(once)


if __name__ == "__main__":
    {"worker": work, "submit": submit}[sys.argv[1]](Settings.load())
