"""From a job's spec to the work and back to rows: one module per kind.

Each imports its work when a job comes, so that no process loads what it never runs.
"""

from typing import Any

from workers.attempt import Attempt, Finish, Work


def _train(attempt: Attempt, spec: Any) -> Finish:
    from workers.kinds.train import work

    return work(attempt, spec)


def _predict(attempt: Attempt, spec: Any) -> Finish:
    from workers.kinds.predict import work

    return work(attempt, spec)


def _sentiment(attempt: Attempt, spec: Any) -> Finish:
    from workers.kinds.sentiment import work

    return work(attempt, spec)


def _import(attempt: Attempt, spec: Any) -> Finish:
    from workers.kinds.imports import work

    return work(attempt, spec)


WORKS: dict[str, Work] = {"train": _train, "predict": _predict, "sentiment": _sentiment, "import": _import}
