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

import sqlalchemy as sa
from flask.testing import FlaskClient

from benchmarks.machine import Machine
from benchmarks.table import in_turns
from jobyard.shared import jobs
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.web.app import create_app

GOAL_MS = 200
ROUNDS = 15
TOKEN = "token-of-the-benchmark"  # noqa: S105 - it opens nothing
# Names of metrics and steps of each: a million points in all; a small one shows what is paid anyway.
HISTORIES = {
    "4 × 100 points": (4, 100),
    "4 × 250,000 points": (4, 250_000),
    "2 × 500,000 points": (2, 500_000),
    "1 × 1,000,000 points": (1, 1_000_000),
}
NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(step) AS (SELECT 1 UNION ALL SELECT step + 1 FROM numbers "
    "WHERE step < :steps) SELECT step FROM numbers",
    "postgresql": "SELECT step FROM generate_series(1, :steps) AS step",
}
FILL = """
INSERT INTO metrics (job_id, name, step, epoch, value, at)
SELECT :job_id, :name, step, step / 1000,
       (step % 10007 * 7919 % 10007) / 10007.0 + 100.0 / step, CURRENT_TIMESTAMP
FROM ({numbers}) AS all_of_them
"""


def main() -> int:
    """Print the table; 0 if the goal is met."""
    measures: dict[str, Callable[[], float]] = {}
    with Machine() as machine:
        postgres = machine.new_database("metrics").replace("postgresql://", "postgresql+psycopg://")
        for database, url in (
            ("SQLite", f"sqlite:///{machine.folder / 'metrics.db'}"),
            ("PostgreSQL", postgres),
        ):
            settings = Settings(
                home=machine.folder / database,
                token=TOKEN,
                database_url=machine.migrate(url),
                broker_url=machine.new_broker(),
                log_level="WARNING",
            )
            client = create_app(settings).test_client()
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
            filled = fill(url)
            for what, job_id in filled.items():
                path = f"/api/v1/jobs/{job_id}/metrics?points=320"
                measures[f"{database}, {what}"] = partial(milliseconds, client, path)
            compared = ",".join(map(str, filled.values()))
            path = f"/api/v1/metrics/compare?jobs={compared}&name=m0&points=320"
            measures[f"{database}, all of these compared"] = partial(milliseconds, client, path)
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
    dialect = database.engine.dialect.name
    statement = sa.text(FILL.format(numbers=NUMBERS[dialect])).bindparams(
        sa.bindparam("job_id", type_=sa.Uuid)
    )
    found = {}
    for what, (names, steps) in HISTORIES.items():
        with database.write() as session:
            job, _ = jobs.submit(
                session, kind="train", queue="gpu", spec={"dataset": "pets@1"}, priority=5, max_attempts=3
            )
            for number in range(names):
                session.execute(statement, {"job_id": job.id, "name": f"m{number}", "steps": steps})
        found[what] = job.id
    with database.autocommit() as connection:
        connection.execute(sa.text("ANALYZE"))
    database.dispose()
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
