"""How long metric histories take to answer: `make bench-metrics`.

Whole answers of the API, from the request to its JSON, on SQLite and PostgreSQL. Exits with 1 if the
median of one is over GOAL_MS.
"""

import statistics
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial

from flask.testing import FlaskClient

from benchmarks import application
from benchmarks.filling import filling
from benchmarks.machine import Machine
from benchmarks.table import in_turns
from jobyard.shared import jobs
from jobyard.shared.database import Database

GOAL_MS = 200
ROUNDS = 15
# Names of metrics and steps of each: a million points in all; a small one shows what is paid anyway.
HISTORIES = {
    "4 × 100 points": (4, 100),
    "4 × 250,000 points": (4, 250_000),
    "2 × 500,000 points": (2, 500_000),
    "1 × 1,000,000 points": (1, 1_000_000),
}
COLUMNS = {
    "job_id": ":job_id",
    "name": ":name",
    "step": "n",
    "epoch": "n / 1000",
    "value": "(n % 10007 * 7919 % 10007) / 10007.0 + 100.0 / n",
    "at": "CURRENT_TIMESTAMP",
}


def main() -> int:
    """Print the table; 0 if the goal is met."""
    measures: dict[str, Callable[[], float]] = {}
    with Machine() as machine:
        for dialect in application.DIALECTS:
            settings = application.settings(machine, dialect, "metrics")
            client = application.client(settings)
            filled = fill(settings.database)
            for what, job_id in filled.items():
                path = f"/api/v1/jobs/{job_id}/metrics?points=320"
                measures[f"{dialect}, {what}"] = partial(milliseconds, client, path)
            compared = ",".join(map(str, filled.values()))
            path = f"/api/v1/metrics/compare?jobs={compared}&name=m0&points=320"
            measures[f"{dialect}, all of these compared"] = partial(milliseconds, client, path)
        found = in_turns(measures, ROUNDS, warm_up=2)
    print(f"{'points=320':<36}{'ms':>7}{'from … to':>16}")
    for what, times in found.items():
        print(f"{what:<36}{statistics.median(times):>7.1f}{f'{min(times):.1f} … {max(times):.1f}':>16}")
    missed = max(map(statistics.median, found.values())) > GOAL_MS
    print(f"goal: each within {GOAL_MS} ms: {'missed' if missed else 'met'}")
    return 1 if missed else 0


def fill(url: str) -> dict[str, uuid.UUID]:
    """A job for each of HISTORIES, in migrated tables; the jobs' ids."""
    database = Database(url)
    found = {}
    with database.write() as session:
        for what in HISTORIES:
            job, _ = jobs.submit(
                session, kind="train", queue="gpu", spec={"dataset": "pets@1"}, priority=5, max_attempts=3
            )
            found[what] = job.id
    database.dispose()
    with filling(url) as rows:
        for what, (names, steps) in HISTORIES.items():
            for number in range(names):
                rows.insert("metrics", steps, COLUMNS, job_id=found[what], name=f"m{number}")
    return found


def milliseconds(client: FlaskClient, path: str) -> float:
    """From the request to the answer. Raises RuntimeError where that is none."""
    started = time.perf_counter()
    response = client.get(path)
    taken = 1_000 * (time.perf_counter() - started)
    if response.status_code != 200:
        raise RuntimeError(f"{path}: {response.text}")
    return taken


if __name__ == "__main__":
    sys.exit(main())
