"""How long `GET /metrics` takes in front of a million jobs: `make bench-scrape`.

Half of them are queued and half have ended, on SQLite and PostgreSQL; every series that can be is there.
It also says what the sweeper pays for the numbers. Exits with 1 if the 95th percentile is over GOAL_MS.
"""

import argparse
import itertools
import statistics
import sys
import time

import sqlalchemy as sa
from flask.testing import FlaskClient

from benchmarks import application
from benchmarks.depth import fill
from benchmarks.machine import Machine
from jobyard.shared import jobs
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import TERMINAL, Job, JobTotal, Request, SweepMark
from jobyard.shared.kinds.loading import installed
from jobyard.workers.runtime.sweeper import recount, tally

GOAL_MS = 20.0
JOBS = 1_000_000
SCRAPES = 300
# That have just ended, to be counted by the sweeper.
ENDED = 10_000


def main() -> int:
    """Print the table; 0 if the goal is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scrape", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 jobs in place of a million")
    count = 100_000 if parser.parse_args().quick else JOBS
    missed = False
    print(f"{count:,} jobs{'':<14}{'median':>8}{'p95':>8}{'most':>8} ms   series   tally   1,000 ended")
    with Machine() as machine:
        for dialect in application.DIALECTS:
            settings = application.settings(machine, dialect, "scrape")
            fill(settings.database, count // 2)
            database = Database(settings.database)
            recount(database)
            tallied = 1_000 * tally(database)
            counted = count_ended(database)
            add_all_series(database)
            client = application.client(settings)
            series = len([line for line in scrape(client)[1].splitlines() if not line.startswith("#")])
            times = sorted(scrape(client)[0] for _ in range(SCRAPES))
            p95 = statistics.quantiles(times, n=20)[-1]
            missed |= p95 > GOAL_MS
            print(
                f"{dialect:<24}{statistics.median(times):>8.1f}{p95:>8.1f}{times[-1]:>8.1f}"
                f"{series:>12}{tallied:>6.0f} ms{counted:>9.0f} ms",
                flush=True,
            )
            database.dispose()
    print(f"goal: 95 of 100 scrapes within {GOAL_MS:g} ms: {'missed' if missed else 'met'}")
    return 1 if missed else 0


def add_all_series(database: Database) -> None:
    """Totals of each kind, state and bucket."""
    kinds = [(str(kind.queue), name) for name, kind in installed().kinds.items()]
    bounds = [jobs.bound_of(bound) for bound in jobs.BOUNDS]
    sorts = itertools.product((jobs.WAITED, jobs.RAN, jobs.ENDED), kinds, TERMINAL, bounds)
    keys = {
        (what, queue, kind, state if what == jobs.ENDED else "", 0 if what == jobs.ENDED else bound)
        for what, (queue, kind), state, bound in sorts
    }
    names = ("what", "queue", "kind", "state", "bound_ms")
    with database.write() as session:
        session.execute(sa.delete(JobTotal))
        rows = [dict(zip(names, key, strict=True)) | {"jobs": 12_345, "seconds": 67_890.5} for key in keys]
        session.execute(sa.insert(JobTotal), rows)


def count_ended(database: Database) -> float:
    """Milliseconds for a thousand jobs that have just ended, by the sweeper's two transactions."""
    with database.write() as session:
        session.execute(sa.update(SweepMark).values(at=utcnow()))
        request = Request(kind="sentiment", queue="cpu", spec={"texts": ["good"]}, priority=5, max_attempts=3)
        for job in jobs.submit_many(session.connection(), [request] * ENDED):
            jobs.cancel(session, job.id)
        session.execute(
            sa.update(Job).where(Job.finished_at > utcnow(-600)).values(started_at=Job.created_at),
            execution_options={"synchronize_session": False},
        )
    began = time.perf_counter()
    is_all = False
    while not is_all:
        with database.write() as session:
            until = session.scalars(sa.select(utcnow())).one()
        with database.read() as session:
            ended = jobs.ended_until(session, until)
        if ended is None:
            break
        with database.write() as session:
            jobs.keep_ended(session, ended)
        is_all = ended.is_all
    return 1_000 * (time.perf_counter() - began) * 1_000 / ENDED


def scrape(client: FlaskClient) -> tuple[float, str]:
    """Its milliseconds and its text. Raises RuntimeError where there is no answer."""
    began = time.perf_counter()
    response = client.get("/metrics")
    taken = 1_000 * (time.perf_counter() - began)
    if response.status_code != 200:
        raise RuntimeError(response.text)
    return taken, response.text


if __name__ == "__main__":
    sys.exit(main())
