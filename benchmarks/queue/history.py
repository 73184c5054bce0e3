"""(e) How (a) changes with many finished jobs in the tables, their timelines included."""

from functools import partial

import psycopg

from benchmarks.machine import Machine
from benchmarks.queue.engines import jobyard
from benchmarks.table import Row, compare, in_turns

# Ids of a UUIDv7's form, in order, made in the year before: old jobs' pages are not where new ones go.
JOBS = """
INSERT INTO jobs (id, kind, queue, state, priority, spec, result, attempt, max_attempts, version, worker,
                  idempotency_key, request_sha256,
                  created_at, queued_at, available_at, started_at, finished_at)
SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3)
        || '8' || substr(md5(n::text), 4, 15))::uuid,
       'sentiment', 'cpu', 'succeeded', 5, '{"texts": ["nothing"]}', '{}', 1, 3, 3, 'cpu@host/1',
       'key-' || n, md5(n::text),
       at, at, at, at, at
FROM generate_series(1, %(jobs)s) n, LATERAL (SELECT now() - interval '1 year' + n * interval '1 s' AS at) t
"""
EVENTS = """
INSERT INTO job_events (job_id, at, state, attempt, worker)
SELECT jobs.id, jobs.created_at, move, 1, jobs.worker
FROM jobs, unnest(ARRAY['queued', 'running', 'succeeded']) move
"""


def fill(database_url: str, jobs: int) -> None:
    """Put so many finished jobs, with three events each, into migrated tables."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        # Only for the filling.
        connection.execute("SET synchronous_commit = off")
        connection.execute(JOBS, {"jobs": jobs})
        connection.execute(EVENTS)
        connection.execute("VACUUM (ANALYZE) jobs")
        connection.execute("VACUUM (ANALYZE) job_events")
        connection.execute("CHECKPOINT")


def bench(machine: Machine, *, sizes: list[int], jobs: int, rounds: int) -> list[Row]:
    """Each size has a database and workers of its own, so that all are measured in turns."""
    measures = {}
    for size in sizes:
        name = f"history{size}"
        url = machine.migrate(machine.new_database(name))
        fill(url, size)
        measures[size] = partial(jobyard(machine, name, url).rate, jobs)
    found = in_turns({str(size): measure for size, measure in measures.items()}, rounds)
    first, *more = sizes
    what = "(e) (a) with {:,} finished jobs, to {:,}"
    return [
        compare(what.format(size, first), found[str(size)], found[str(first)], "jobs/s", goal=0.8)
        for size in more
    ]
