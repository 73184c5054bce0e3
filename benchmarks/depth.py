"""What the depth of a queue costs: `make bench-depth`.

The same requests and the same claim with 1,000 queued jobs, and with a million and as many finished ones, on
SQLite and PostgreSQL, in turns. Exits with 1 if one takes over GOAL times as long.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import sqlalchemy as sa
from flask.testing import FlaskClient

from benchmarks.machine import Machine
from benchmarks.table import HEAD, compare, in_turns, line
from jobyard.shared import jobs
from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.web.app import create_app
from jobyard.workers.runtime.sweeper import recount

GOAL = 1.5
SHALLOW, DEEP = 1_000, 1_000_000
ROUNDS, CALLS = 9, 20
TOKEN = "token-of-the-benchmark"  # noqa: S105 - it opens nothing
BODY = {"kind": "sentiment", "spec": {"texts": ["good"]}}
NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers "
    "WHERE n < :jobs) SELECT n FROM numbers",
    "postgresql": "SELECT n FROM generate_series(1, :jobs) AS n",
}
# UUIDs of version 7 in order, made before any that is submitted now.
IDS = {
    "sqlite": "printf('%012x', :first + n) || '7' || printf('%03x', n % 4096) || '8' || printf('%015x', n)",
    "postgresql": "(lpad(to_hex(:first + n), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || '8' "
    "|| lpad(to_hex(n), 15, '0'))::uuid",
}
FILL = """
INSERT INTO jobs (id, kind, queue, state, priority, spec, result, attempt, max_attempts, version,
                  created_at, queued_at, available_at, started_at, finished_at)
SELECT {ids}, 'sentiment', 'cpu', '{state}', 5, '{{"texts": ["good"]}}', {result}, {attempt}, 3, 1,
       '2024-01-01 00:00:00.000000', '2024-01-01 00:00:00.000000', '2024-01-01 00:00:00.000000', {at}, {at}
FROM ({numbers}) AS all_of_them
"""
STATES = {
    "succeeded": {"result": "'{}'", "attempt": 1, "at": "{moment}", "first": 1_500_000_000_000},
    "queued": {"result": "NULL", "attempt": 0, "at": "NULL", "first": 1_600_000_000_000},
}


def main() -> int:
    """Print the table; 0 if the goal is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.depth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 jobs in place of a million")
    deep = 100_000 if parser.parse_args().quick else DEEP
    began = time.monotonic()
    missed = False
    print(f"{HEAD}   (Jobyard: {deep:,} queued and finished; peer: {SHALLOW:,})")
    with Machine() as machine:
        for dialect in ("sqlite", "postgresql"):
            measures: dict[str, Callable[[], float]] = {}
            for depth in (SHALLOW, deep):
                for what, measure in stack(machine, dialect, depth):
                    measures[f"{what} {depth}"] = measure
            found = in_turns(measures, ROUNDS, warm_up=2)
            for what in [name.removesuffix(f" {deep}") for name in found if name.endswith(f" {deep}")]:
                row = compare(
                    f"{dialect}: {what}",
                    found[f"{what} {deep}"],
                    found[f"{what} {SHALLOW}"],
                    "ms",
                    goal=GOAL,
                    at_most=True,
                )
                missed |= "MISSED" in row.verdict
                print(line(row), flush=True)
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if missed else 0


def stack(machine: Machine, dialect: str, depth: int) -> Iterator[tuple[str, Callable[[], float]]]:
    """What is measured, each with its milliseconds, in a database of so many queued and finished jobs."""
    name = f"depth{depth}"
    url = f"sqlite:///{machine.folder / name}.db"
    if dialect == "postgresql":
        url = machine.new_database(name).replace("postgresql://", "postgresql+psycopg://")
    settings = Settings(
        home=machine.folder / dialect / name,
        token=TOKEN,
        database_url=machine.migrate(url),
        broker_url=machine.new_broker(),
        log_level="WARNING",
    )
    fill(url, depth)
    client = create_app(settings).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    database = Database(url)
    recount(database)
    Broker(settings).wake("cpu", 64)  # so that no submit sends a message
    job_id = client.post("/api/v1/jobs", json=BODY).json["id"]
    yield "submit", partial(milliseconds, lambda: post(client))
    yield "look at the last job", partial(milliseconds, lambda: get(client, f"/api/v1/jobs/{job_id}"))
    yield "list of 20 jobs", partial(milliseconds, lambda: get(client, "/api/v1/jobs?limit=20"))
    yield (
        "list of queued jobs",
        partial(milliseconds, lambda: get(client, "/api/v1/jobs?state=queued&limit=20")),
    )
    yield "queues", partial(milliseconds, lambda: get(client, "/api/v1/queues"))
    yield "dashboard", partial(milliseconds, lambda: get(client, "/"))
    yield "claim", partial(milliseconds, lambda: claim(database))


def fill(url: str, depth: int) -> None:
    """Put so many queued and as many finished jobs into migrated tables."""
    database = Database(url)
    dialect = database.engine.dialect.name
    moment = "'2024-01-01 00:00:00.000000'"
    with database.write() as session:
        for state, given in STATES.items():
            values = given | {"at": str(given["at"]).format(moment=moment)}
            statement = FILL.format(ids=IDS[dialect], numbers=NUMBERS[dialect], state=state, **values)
            session.execute(sa.text(statement), {"jobs": depth, "first": given["first"]})
    with database.autocommit() as connection:
        connection.execute(sa.text("VACUUM (ANALYZE) jobs" if dialect == "postgresql" else "ANALYZE"))
    database.dispose()


def milliseconds(call: Callable[[], object]) -> float:
    """The median of some calls."""
    times = []
    for _ in range(CALLS):
        started = time.perf_counter()
        call()
        times.append(1_000 * (time.perf_counter() - started))
    return sorted(times)[CALLS // 2]


def post(client: FlaskClient) -> None:
    """Submit a job. Raises RuntimeError if it was refused."""
    response = client.post("/api/v1/jobs", json=BODY)
    if response.status_code != 202:
        raise RuntimeError(response.text)


def get(client: FlaskClient, path: str) -> None:
    """Ask. Raises RuntimeError where there is no answer."""
    response = client.get(path)
    if response.status_code != 200:
        raise RuntimeError(f"{path}: {response.text}")


def claim(database: Database) -> None:
    """Claim the next job. Raises RuntimeError where there is none."""
    with database.write() as session:
        if jobs.claim(session, "cpu", worker="bench", lease_seconds=3_600) is None:
            raise RuntimeError("no job is queued")


if __name__ == "__main__":
    sys.exit(main())
