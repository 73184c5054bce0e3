"""(d) Milliseconds from submit to result of a single-text job on an idle system: `POST …?wait=`,
against a bare Celery's `delay().get()` with results in the same Redis.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

from benchmarks.machine import Machine, tell
from benchmarks.queue import load
from benchmarks.queue.routes import BODY, TOKEN
from benchmarks.table import Row, compare, in_turns

MODULE = "benchmarks.queue.peers.celery_process"


def bench(machine: Machine, *, count: int, rounds: int) -> list[Row]:
    """On SQLite as shipped for one machine, and on PostgreSQL."""
    rows = []
    bare = celery(machine)
    databases = {
        "SQLite": f"sqlite:///{machine.folder / 'latency.db'}",
        "PostgreSQL": machine.new_database("latency"),
    }
    measures: dict[str, Callable[[], float]] = {"bare": partial(bare, count)}
    for name, url in databases.items():
        ask = jobyard(machine, f"latency-{name}", machine.migrate(url))
        measures[name] = partial(ask, count)
    found = in_turns(measures, rounds)
    for name in databases:
        what = f"(d) one text, submit to result, {name}, to delay().get()"
        rows.append(compare(what, found[name], found["bare"], "ms", goal=2.5, at_most=True))
    return rows


def jobyard(machine: Machine, name: str, database_url: str) -> Callable[[int], float]:
    """Web and cpu worker as they are shipped; asked over one connection."""
    environment = {
        "JOBYARD_HOME": machine.folder / name,
        "JOBYARD_DATABASE_URL": database_url,
        "JOBYARD_BROKER_URL": machine.new_broker(),
        "JOBYARD_TOKEN": TOKEN,
    }
    machine.python("jobyard.workers", "cpu", **environment)
    port = machine.gunicorn(
        "jobyard.web.app:create_app()", "-c", "python:jobyard.web.gunicorn", **environment
    )
    head = {"Authorization": f"Bearer {TOKEN}"}
    score = load.request("POST", "/api/v1/jobs?wait=20", head, BODY)

    def median_ms(count: int) -> float:
        times = []
        with load.Conversation(port) as talk:
            for _ in range(count):
                began = time.perf_counter()
                job = json.loads(talk.ask(score, 200).partition(b"\r\n\r\n")[2])
                times.append(time.perf_counter() - began)
                if job["state"] != "succeeded":
                    raise RuntimeError(f"a job {job['state']}: {job['error']}")
        return statistics.median(times) * 1000

    return median_ms


def celery(machine: Machine) -> Callable[[int], float]:
    """A worker with two processes, asked from a process of its own."""
    broker = machine.new_broker()
    environment = {"BENCH_BROKER_URL": broker, "BENCH_RESULT_URL": broker}
    machine.python("celery", "-A", MODULE, "worker", "--concurrency=2", **environment)
    asker = machine.python("benchmarks.queue.latency", "submit", **environment)

    def median_ms(count: int) -> float:
        return float(tell(asker, count))

    return median_ms


def ask() -> None:
    """For each line with a number, score a text so often; print the median of milliseconds."""
    from benchmarks.queue.peers.celery_process import score

    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            began = time.perf_counter()
            score.delay("I love it").get(timeout=30)
            times.append(time.perf_counter() - began)
        print(statistics.median(times) * 1000, flush=True)


if __name__ == "__main__":
    ask()
