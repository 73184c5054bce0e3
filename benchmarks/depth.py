"""What the depth of a queue costs: `make bench-depth`.

The same requests and the same claim with 1,000 queued jobs, and with a million and as many finished ones, on
SQLite and PostgreSQL, in turns; and the claims of a busy worker on PostgreSQL while a transaction is held
open during 200,000 jobs. Exits with 1 if one takes over GOAL times as long, or those claims OPEN_GOAL times.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import sqlalchemy as sa
from flask.testing import FlaskClient

from benchmarks import application
from benchmarks.filling import filling
from benchmarks.machine import Machine
from benchmarks.table import HEAD, Row, compare, in_turns, line
from jobyard.shared import jobs
from jobyard.shared.broker import Broker
from jobyard.shared.database import Database
from jobyard.workers.runtime.sweeper import recount

GOAL = 1.5
SHALLOW, DEEP = 1_000, 1_000_000
ROUNDS, CALLS = 9, 20
# With a transaction held open: so many jobs have run, and then claims are made for so long, in each round.
OPEN_GOAL = 3.0
RUN_JOBS, LEFT_JOBS = 200_000, 50_000
OPEN_SECONDS, OPEN_ROUNDS = 3.0, 5
BODY = {"kind": "sentiment", "spec": {"texts": ["good"]}}
# When the first finished and the first queued job were made, by their ids.
FINISHED, QUEUED = 1_500_000_000_000, 1_600_000_000_000


def main() -> int:
    """Print the table; 0 if the goal is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.depth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 jobs in place of a million")
    quick = parser.parse_args().quick
    deep = 100_000 if quick else DEEP
    began = time.monotonic()
    missed = False
    print(f"{HEAD}   (Jobyard: {deep:,} queued and finished; peer: {SHALLOW:,})")
    with Machine() as machine:
        for dialect in application.DIALECTS:
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
        row = held_open(machine, RUN_JOBS // 4 if quick else RUN_JOBS)
        missed |= "MISSED" in row.verdict
        print(line(row), flush=True)
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if missed else 0


def stack(machine: Machine, dialect: str, depth: int) -> Iterator[tuple[str, Callable[[], float]]]:
    """What is measured, each with its milliseconds, in a database of so many queued and finished jobs."""
    settings = application.settings(machine, dialect, f"depth{depth}")
    fill(settings.database, depth)
    client = application.client(settings)
    database = Database(settings.database)
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


def held_open(machine: Machine, run: int) -> Row:
    """The mean claim of a busy worker, after so many jobs have run during a transaction that is still open.

    Its peer is another database without that. Means and not medians, for some claims look at everything.
    """
    databases = {}
    for name, count in (("open", run + LEFT_JOBS), ("peer", LEFT_JOBS)):
        address = application.database_url(machine, "postgresql", name)
        fill(address, count)
        databases[name] = Database(address)
    with databases["open"].autocommit() as holder:
        holder.execute(sa.text("BEGIN ISOLATION LEVEL REPEATABLE READ"))
        holder.scalar(sa.text("SELECT count(*) FROM jobs"))
        run_all(databases["open"], run)
        measures = {
            name: partial(milliseconds_per_claim, one, jobs.Front()) for name, one in databases.items()
        }
        found = in_turns(measures, OPEN_ROUNDS)
        holder.execute(sa.text("ROLLBACK"))
    for database in databases.values():
        database.dispose()
    return compare(
        f"postgresql: claim, a transaction open for {run:,} jobs",
        found["open"],
        found["peer"],
        "ms",
        goal=OPEN_GOAL,
        at_most=True,
    )


def run_all(database: Database, count: int) -> None:
    """Run the first so many jobs, a thousand at a time: each is first running, then succeeded."""
    ids = sa.text("SELECT id FROM jobs WHERE state = 'queued' ORDER BY priority DESC, id LIMIT :count")
    begin = sa.text(
        "UPDATE jobs SET state = 'running', version = version + 1, attempt = 1, started_at = now(), "
        "lease = id, lease_expires_at = now() + interval '1 hour' WHERE id = ANY(:ids)"
    )
    end = sa.text(
        "UPDATE jobs SET state = 'succeeded', version = version + 1, finished_at = now(), result = '{}', "
        "lease = NULL, lease_expires_at = NULL WHERE id = ANY(:ids)"
    )
    with database.autocommit() as connection:
        found = connection.scalars(ids, {"count": count}).all()
        for first in range(0, count, 1_000):
            for statement in (begin, end):
                connection.execute(statement, {"ids": found[first : first + 1_000]})


def milliseconds_per_claim(database: Database, front: jobs.Front) -> float:
    """The mean of a worker that is busy for some seconds, each claim in a transaction of its own."""
    began = time.perf_counter()
    count = 0
    while time.perf_counter() < began + OPEN_SECONDS:
        with database.write() as session:
            options = {"front": front, "whole": front.is_due}
            if jobs.claim(session, "cpu", worker="bench", lease_seconds=3_600, **options) is None:
                raise RuntimeError("no job is queued")
        count += 1
    return 1_000 * (time.perf_counter() - began) / count


def fill(url: str, depth: int) -> None:
    """Put so many queued and as many finished jobs into migrated tables."""
    with filling(url, vacuum="jobs") as rows:
        ended = {"attempt": "1", "result": "'{}'", "started_at": rows.moment, "finished_at": rows.moment}
        rows.jobs(depth, first=FINISHED, state="'succeeded'", **ended)
        rows.jobs(depth, first=QUEUED, state="'queued'", attempt="0")


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
