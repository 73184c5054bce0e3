"""(a) Jobs per second from submit to terminal row, for a job that does nothing, with two worker processes."""

import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial

import psycopg

from benchmarks.machine import Machine, tell, until
from benchmarks.table import Row, compare, in_turns

PROCESSES = 2
MODULES = "benchmarks.queue"


@dataclass
class Engine:
    """Something that runs jobs: a submitter to talk to, and a database to look into."""

    machine: Machine
    name: str
    submitter: "subprocess.Popen[str]"
    database_url: str
    # SQL that is true while one of `%(jobs)s` jobs has no terminal row, and what clears an earlier run.
    busy: str
    clear: str | None = None
    # Milliseconds per job of all processes together, the database's too; of each `rate` so far. They tell
    # more than the rates where others use the machine.
    cpu_ms: list[float] = field(default_factory=list)
    connection: "psycopg.Connection[tuple[bool]]" = field(init=False)

    def __post_init__(self) -> None:
        self.connection = psycopg.connect(self.database_url, autocommit=True)

    def rate(self, jobs: int) -> float:
        """Submit so many, wait until each has its terminal row; jobs per second."""
        if self.clear:
            self.connection.execute(self.clear)
        began, spent = time.perf_counter(), self.machine.cpu_seconds()
        tell(self.submitter, jobs)
        until(lambda: not self._is_busy(jobs), f"{self.name}: {jobs} jobs")
        took = time.perf_counter() - began
        self.cpu_ms.append((self.machine.cpu_seconds() - spent) / jobs * 1000)
        return jobs / took

    def _is_busy(self, jobs: int) -> bool:
        row = self.connection.execute(self.busy, {"jobs": jobs}).fetchone()
        return row is None or row[0]


def jobyard(machine: Machine, name: str, database_url: str) -> Engine:
    """Its worker with `PROCESSES` children and a sweeper, on a migrated database."""
    environment = {
        "JOBYARD_HOME": machine.folder / name,
        "JOBYARD_DATABASE_URL": database_url,
        "JOBYARD_BROKER_URL": machine.new_broker(),
    }
    machine.python(f"{MODULES}.jobyard_process", "worker", **environment)
    machine.python("jobyard.workers", "sweeper", **environment)
    return Engine(
        machine,
        name=name,
        submitter=machine.python(f"{MODULES}.jobyard_process", "submit", **environment),
        database_url=database_url,
        busy="SELECT EXISTS (SELECT FROM jobs WHERE state IN ('queued', 'running'))",
    )


def celery(machine: Machine) -> Engine:
    """Celery with its SQLAlchemy result backend, whose rows are there once a task has ended."""
    database_url = machine.new_database("celery")
    environment = {
        "BENCH_BROKER_URL": machine.new_broker(),
        "BENCH_RESULT_URL": "db+" + database_url.replace("postgresql://", "postgresql+psycopg://"),
    }
    module = f"{MODULES}.peers.celery_process"
    make_tables = "from benchmarks.queue.peers.celery_process import app; app.backend.ResultSession().close()"
    if machine.start(sys.executable, "-c", make_tables, **environment).wait(60) != 0:
        raise RuntimeError("celery did not make its tables")
    machine.python("celery", "-A", module, "worker", f"--concurrency={PROCESSES}", **environment)
    return Engine(
        machine,
        name="celery",
        submitter=machine.python(module, "submit", **environment),
        database_url=database_url,
        busy="SELECT count(*) < %(jobs)s FROM celery_taskmeta WHERE status = 'SUCCESS'",
        clear="TRUNCATE celery_taskmeta",
    )


def procrastinate(machine: Machine, python: str, concurrency: int) -> Engine:
    """Procrastinate's workers, PROCESSES of them, each with so many tasks at once."""
    name = f"procrastinate{concurrency}"
    environment = {"BENCH_DATABASE_URL": machine.new_database(name), "BENCH_CONCURRENCY": concurrency}
    command = [python, "-m", f"{MODULES}.peers.procrastinate_process"]
    if machine.start(*command, "schema", **environment).wait(60) != 0:
        raise RuntimeError("procrastinate did not make its tables")
    for _ in range(PROCESSES):
        machine.start(*command, "worker", **environment)
    return Engine(
        machine,
        name=name,
        submitter=machine.start(*command, "submit", **environment),
        database_url=str(environment["BENCH_DATABASE_URL"]),
        busy="SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))",
    )


def bench(machine: Machine, peers: str | None, *, jobs: int, rounds: int) -> list[Row]:
    """Jobyard against each peer, in turns."""
    engines = [jobyard(machine, "jobyard", machine.migrate(machine.new_database("jobyard"))), celery(machine)]
    if peers:
        engines += [procrastinate(machine, peers, 1), procrastinate(machine, peers, 10)]
    found = in_turns({engine.name: partial(engine.rate, jobs) for engine in engines}, rounds)
    ours = found["jobyard"]
    whats = {
        "celery": "Celery, SQLAlchemy results",
        "procrastinate1": "Procrastinate",
        "procrastinate10": "Procrastinate, 10 tasks at once",
    }
    rows = []
    for engine in engines[1:]:
        what = f"(a) jobs of nothing, to {whats[engine.name]}"
        rows.append(compare(what, ours, found[engine.name], "jobs/s", goal=1))
        spent = engines[0].cpu_ms[-rounds:], engine.cpu_ms[-rounds:]
        rows.append(compare("      CPU of all processes, per job", *spent, "ms"))
    return rows
