"""What jobs cost PostgreSQL: `make bench-wal`.

Statements, BEGIN and COMMIT included, and bytes of WAL: of a text's job, from its submit to one look at its
result; and of a worker that is busy for an hour, from its heartbeats and its registrations. Without the
images of whole pages, whose number depends on checkpoints. HOT is the share of updates of `jobs` that wrote
to no index.
"""

import argparse
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy.orm import Session

from benchmarks.machine import Machine, until
from benchmarks.queue import load
from benchmarks.queue.routes import BODY, TOKEN
from jobyard.shared import jobs, registrations
from jobyard.shared.database import Database

JOBS = 200
BEATS = 300
IDLE_SECONDS = 15.0
PATH = "/api/v1/jobs"
SPEC = {"texts": ["I love it"]}
HOUR = 3_600.0
HEARTBEAT_SECONDS = 5.0
LOGGED = re.compile(r"LOG:  (?:statement|execute [^:]+): ")


@dataclass
class Cost:
    """What happened between two looks at the server."""

    wal_bytes: int = 0
    statements: int = 0
    hot: float = 0.0


class Server:
    """The counters of one database's server, which does nothing else."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.url = machine.migrate(machine.new_database(name))
        self._folder = machine.folder / "postgres"
        self._connection = psycopg.connect(self.url, autocommit=True)
        self._connection.execute("SET log_statement = 'none'")
        self._connection.execute("ALTER SYSTEM SET full_page_writes = off")
        self._connection.execute("SELECT pg_reload_conf()")
        self._connection.execute(
            psycopg.sql.SQL("ALTER DATABASE {} SET log_statement = 'all'").format(
                psycopg.sql.Identifier(name)
            )
        )

    @contextmanager
    def measured(self) -> Iterator[Cost]:
        """What is done within, to its end."""
        cost = Cost()
        wal, updates, hot, logged = self._look()
        yield cost
        after = self._look()
        cost.wal_bytes = after[0] - wal
        cost.hot = (after[2] - hot) / max(after[1] - updates, 1)
        cost.statements = after[3] - logged

    def _look(self) -> tuple[int, int, int, int]:
        """Bytes of WAL, updates of jobs as sessions have reported them, those that were HOT, statements."""
        time.sleep(0.5)  # what was done is logged, and reported by sessions that have ended
        found = self._connection.execute(
            "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, n_tup_upd, n_tup_hot_upd "
            "FROM pg_stat_user_tables WHERE relname = 'jobs'"
        ).fetchone()
        assert found is not None  # noqa: S101 - a benchmark
        texts = (path.read_text(errors="replace") for path in self._logs())
        return (*found, sum(len(LOGGED.findall(text)) for text in texts))

    def _logs(self) -> list[Path]:
        return [path for path in self._folder.rglob("*log") if path.is_file()]


def main() -> int:
    """Print the table."""
    argparse.ArgumentParser(prog="python -m benchmarks.wal", description=__doc__).parse_args()
    print(f"{'':<58}{'statements':>11}{'WAL bytes':>11}{'HOT':>7}")
    with Machine() as machine:
        one_by_one(machine)
        heartbeats(machine)
    return 0


def one_by_one(machine: Machine) -> None:
    """Jobs of one text through web and worker, as they are shipped; nothing else runs."""
    server = Server(machine, "jobs")
    environment = {
        "JOBYARD_HOME": machine.folder / "home",
        "JOBYARD_DATABASE_URL": server.url,
        "JOBYARD_BROKER_URL": machine.new_broker(),
        "JOBYARD_TOKEN": TOKEN,
    }
    worker = machine.python("jobyard.workers", "cpu", **environment)
    port = machine.gunicorn(
        "jobyard.web.app:create_app()", "-c", "python:jobyard.web.gunicorn", **environment
    )
    head = {"Authorization": f"Bearer {TOKEN}"}
    submit = load.request("POST", PATH, head, BODY)
    with load.Conversation(port) as talk, psycopg.connect(server.url, autocommit=True) as watching:
        watching.execute("SET log_statement = 'none'")

        def go(count: int, *, in_turns: bool) -> None:
            """Submit so many, each after the one before has ended or all at once; look at each."""
            ids = []
            for _ in range(count):
                ids.append(_id_of(talk.ask(submit, 202)))
                if in_turns:
                    until(lambda: not _is_open(watching), "a job")
            until(lambda: not _is_open(watching), "all jobs")
            for job_id in ids:
                talk.ask(load.request("GET", f"{PATH}/{job_id}", head), 200)

        go(20, in_turns=True)
        with server.measured() as idle:
            time.sleep(IDLE_SECONDS)
        per_second = idle.statements / IDLE_SECONDS
        for what, in_turns in (("one after another", True), ("all submitted at once", False)):
            began = time.monotonic()
            with server.measured() as cost:
                go(JOBS, in_turns=in_turns)
            # The worker registers itself meanwhile, which is no part of a job.
            cost.statements -= round(per_second * (time.monotonic() - began))
            show(f"a job of one text, {what}", cost, JOBS)
    machine.end(worker)
    show("a worker's registrations, per hour", idle, IDLE_SECONDS / HOUR)


def heartbeats(machine: Machine) -> None:
    """The heartbeats of one job that runs: what they cost by hour, one each HEARTBEAT_SECONDS."""
    server = Server(machine, "heartbeats")
    database = Database(server.url)
    request = jobs.Request(kind="sentiment", queue="cpu", spec=SPEC, priority=5, max_attempts=3)
    with database.begin() as connection:
        jobs.submit_each(connection, [request] * 50)
    with database.write() as session:
        registrations.register(session, name="w", queue="cpu", process="p")
        claim = jobs.claim(session, "cpu", worker="w", lease_seconds=30.0)
    assert claim is not None  # noqa: S101 - a benchmark
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE jobs")
    in_an_hour = BEATS / (HOUR / HEARTBEAT_SECONDS)
    for what in ("without progress", "with progress"):
        with server.measured() as cost:
            for number in range(BEATS):
                progress = None
                if what == "with progress":
                    progress = jobs.Progress("scoring", number, BEATS, "texts", 1.0)
                # As the heartbeat of a worker whose job has no metrics.
                with database.begin(single=True) as connection, Session(connection) as session:
                    jobs.heartbeat(session, claim.id, claim.lease, lease_seconds=30.0, progress=progress)
            database.dispose()
        show(f"heartbeats {what}, per busy worker-hour", cost, in_an_hour)


def _is_open(connection: "psycopg.Connection[tuple[bool]]") -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM jobs WHERE state IN ('queued', 'running'))"
    ).fetchone()
    return row is None or row[0]


def _id_of(answer: bytes) -> str:
    found = re.search(rb'"id":"([0-9a-f-]{36})"', answer)
    assert found is not None  # noqa: S101 - a benchmark
    return found[1].decode()


def show(what: str, cost: Cost, count: float) -> None:
    """One line, per each of so many."""
    print(
        f"{what:<58}{cost.statements / count:>11,.1f}{cost.wal_bytes / count:>11,.0f}{cost.hot:>7.0%}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
