"""Celery as its documentation sets it up: Redis, and results by its own SQLAlchemy backend (or in Redis).

`python -m benchmarks.queue.peers.celery_process submit`, or `celery -A … worker`.
"""

import functools
import os

from celery import Celery

from benchmarks.queue import submitter
from jobyard.workers.sentiment.vader.scorer import Scorer

app = Celery("peer", broker=os.environ["BENCH_BROKER_URL"], backend=os.environ["BENCH_RESULT_URL"])


@app.task(name="nothing")  # type: ignore[untyped-decorator]
def nothing() -> None:
    """Do nothing."""


@functools.cache
def scorer() -> Scorer:
    """Loaded once per process, as Jobyard's."""
    return Scorer("vaderSentiment")


@app.task(name="score")  # type: ignore[untyped-decorator]
def score(text: str) -> list[float]:
    """What Jobyard's single-text job does, and nothing around it."""
    return list(scorer().score(text))


if __name__ == "__main__":
    submitter.serve(nothing.delay)
