"""From a job's spec to the work and back to rows: one module per kind.

Each imports its work when a job comes, so that no process loads what it never runs.
"""

import sys
from typing import Any

from workers.attempt import Attempt, Finish, Work


def _start_tensorflow(attempt: Attempt) -> None:
    if "tensorflow" not in sys.modules:
        attempt.report.phase("starting TensorFlow")


def _train(attempt: Attempt, spec: Any) -> Finish:
    _start_tensorflow(attempt)
    from workers.kinds.train import work

    return work(attempt, spec)


def _predict(attempt: Attempt, spec: Any) -> Finish:
    _start_tensorflow(attempt)
    from workers.kinds.predict import work

    return work(attempt, spec)


def _sentiment(attempt: Attempt, spec: Any) -> Finish:
    from workers.kinds.sentiment import work

    return work(attempt, spec)


def _import(attempt: Attempt, spec: Any) -> Finish:
    from workers.kinds.imports import work

    return work(attempt, spec)


WORKS: dict[str, Work] = {"train": _train, "predict": _predict, "sentiment": _sentiment, "import": _import}
