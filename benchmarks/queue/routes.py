"""(b) HTTP submits and (c) reads per second, against the plainest Flask routes; each on SQLite, with the
same gunicorn of 2 processes and 4 threads each, and as Jobyard is shipped, with one process and its threads.
Jobyard checks token and spec and keeps an idempotency key.
"""

import json
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.machine import Machine
from benchmarks.queue import load
from benchmarks.table import Row, compare, in_turns
from jobyard.web.backend import THREADS

GUNICORN = ("--worker-class", "gthread", "--workers", "2", "--threads", "4", "--keep-alive", "30")
SHIPPED = ("--worker-class", "gthread", "--workers", "1", "--threads", str(THREADS), "--keep-alive", "30")
TOKEN = "token-of-the-benchmark-0123456789"  # noqa: S105 - a server of some seconds
JOB = {"kind": "sentiment", "spec": {"texts": ["I love it"]}}
BODY = json.dumps(JOB).encode()
BULK = 1_000


@dataclass
class Site:
    """A server and its SQLite file."""

    port: int
    path: str
    file: Path
    head: dict[str, str] = field(default_factory=dict)

    def submits(self, count: int, *, through_flask: bool = False) -> float:
        """Per second, into an empty table, each with a key of its own.

        `through_flask`: not by the fast path, which leaves any other content type to Flask.
        """
        self.clear()

        def one(_: int) -> bytes:
            key = {"Idempotency-Key": uuid.uuid4().hex} if self.head else {}
            request = load.request("POST", self.path, self.head | key, BODY)
            return request.replace(b"/json\r\n", b"/json; charset=utf-8\r\n") if through_flask else request

        return load.run(self.port, one, count, 202).per_second

    def bulk(self, count: int) -> float:
        """Jobs per second in requests of BULK jobs each. Raises RuntimeError if the server takes no lists."""
        self.clear()
        asked = load.request("POST", self.path, self.head, json.dumps([JOB] * BULK).encode())
        return load.run(self.port, lambda _: asked, count // BULK, 202).per_second * BULK

    def reads(self, count: int) -> float:
        """Per second, of one job that has ended."""
        asked = load.request("GET", self.one(), self.head)
        return load.run(self.port, lambda _: asked, count, 200).per_second

    def conditional_reads(self, count: int) -> float:
        """The same by a client that has the job already."""
        with load.Conversation(self.port) as talk:
            path = self.one()
            head, _, _ = talk.ask(load.request("GET", path, self.head), 200).partition(b"\r\n\r\n")
        etag = next(line for line in head.decode().splitlines() if line.lower().startswith("etag:"))
        condition = {"If-None-Match": etag.split(":", 1)[1].strip()}
        asked = load.request("GET", path, self.head | condition)
        return load.run(self.port, lambda _: asked, count, 304).per_second

    def one(self) -> str:
        """The path of a job that has ended."""
        with load.Conversation(self.port) as talk:
            answer = talk.ask(load.request("POST", self.path, self.head, BODY), 202)
        job_id = json.loads(answer.partition(b"\r\n\r\n")[2])["id"]
        with sqlite3.connect(self.file, timeout=20) as connection:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]
            if "finished_at" in columns:
                connection.execute(
                    "UPDATE jobs SET state = 'succeeded', finished_at = created_at, result = '{}' "
                    "WHERE id = ?",
                    (uuid.UUID(job_id).hex,),
                )
        connection.close()
        return f"{self.path}/{job_id}"

    def clear(self) -> None:
        """Empty the table."""
        connection = sqlite3.connect(self.file, timeout=20)
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("DELETE FROM jobs")
        connection.commit()
        connection.close()


def jobyard(machine: Machine, name: str, *options: str) -> Site:
    """Jobyard's web on a SQLite of its own."""
    home = machine.folder / name
    file = home / "jobyard.db"
    machine.migrate(f"sqlite:///{file}")
    port = machine.gunicorn(
        "jobyard.web.app:create_app()",
        *("-c", "python:jobyard.web.gunicorn"),
        *options,
        JOBYARD_HOME=home,
        JOBYARD_BROKER_URL=machine.new_broker(),
        JOBYARD_TOKEN=TOKEN,
    )
    return Site(port, "/api/v1/jobs", file, {"Authorization": f"Bearer {TOKEN}"})


def plain(machine: Machine, name: str, *options: str) -> Site:
    """The plainest Flask app, on a SQLite of its own."""
    file = machine.folder / f"{name}.db"
    port = machine.gunicorn(
        "benchmarks.queue.peers.flask_app:app",
        *options,
        BENCH_SQLITE=file,
        BENCH_BROKER_URL=machine.new_broker(),
        BENCH_RESULT_URL="",
    )
    return Site(port, "/jobs", file)


def bench(machine: Machine, parts: str, *, count: int, rounds: int) -> list[Row]:
    """Jobyard with two processes, and as it is shipped, each against the plain one with as many threads."""
    sites = {
        "plain": plain(machine, "plain", *GUNICORN),
        "plain shipped": plain(machine, "plain-shipped", *SHIPPED),
        "same": jobyard(machine, "same", *GUNICORN),
        "shipped": jobyard(machine, "shipped"),
    }
    for site in sites.values():
        site.one()  # which makes the plain one's table

    def measured(measure: Callable[[Site], float]) -> dict[str, list[float]]:
        return in_turns({name: partial(measure, site) for name, site in sites.items()}, rounds)

    rows = []
    if "b" in parts:
        rows += _submits(measured, sites["same"], sites["shipped"], count)
    if "c" in parts:
        rows += _reads(measured, sites["same"], 3 * count)
    return rows


Measured = Callable[[Callable[[Site], float]], dict[str, list[float]]]


def _fast_path(site: Site, count: int, rounds: int) -> Row:
    """What the fast path for submits is worth: it stays only while it is this much faster (ADR 5)."""
    found = in_turns(
        {
            "fast": lambda: site.submits(count),
            "flask": lambda: site.submits(count, through_flask=True),
        },
        rounds,
    )
    return compare("(b) the fast path, to Flask's own", found["fast"], found["flask"], "1/s", goal=1.25)


def _submits(measured: Measured, same: Site, shipped: Site, count: int) -> list[Row]:
    found = measured(lambda site: site.submits(count))
    what = "(b) POST /jobs, to Flask inserting and delay()ing"
    rows = [
        compare(what, found["same"], found["plain"], "1/s", goal=1),
        compare(f"{what}; as shipped", found["shipped"], found["plain shipped"], "1/s"),
        _fast_path(shipped, count, len(found["same"])),
    ]
    try:
        bulks = in_turns({"bulk": lambda: same.bulk(5 * BULK)}, len(found["same"]))["bulk"]
    except RuntimeError as error:
        print(f"(b) no jobs in lists: {str(error).splitlines()[0]}")
        return rows
    return [*rows, compare("(b) jobs in lists, to jobs one by one", bulks, found["same"], "jobs/s", goal=10)]


def _reads(measured: Measured, same: Site, count: int) -> list[Row]:
    found = measured(lambda site: site.reads(count))
    what = "(c) GET /jobs/{id}, to Flask reading a row"
    again = in_turns({"304": lambda: same.conditional_reads(count)}, len(found["same"]))["304"]
    return [
        compare(what, found["same"], found["plain"], "1/s", goal=1),
        compare(f"{what}; as shipped", found["shipped"], found["plain shipped"], "1/s", goal=1),
        compare("(c) 304, to 200 with the job", again, found["same"], "1/s", goal=1),
    ]
