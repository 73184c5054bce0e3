"""A file's way through the whole system: uploaded, scored, its result ready. Against what the scorer alone
needs for its texts on the same cores, a script of pyarrow and the scorer for the same file, and a plain loop
of pandas and NLTK over it; and two workers against one.
"""

import csv as python_csv
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from benchmarks.machine import ROOT, Machine, on_cores
from benchmarks.table import Row, compare, in_turns
from benchmarks.text.reviews import reviews
from jobyard.client import Client
from jobyard.shared.kinds.sentiment import Thresholds
from jobyard.workers.sentiment.summary import labels_of
from jobyard.workers.sentiment.vader.bulk import BulkScorer, BulkScores
from jobyard.workers.sentiment.vader.labels import LABELS
from jobyard.workers.sentiment.vader.scorer import Scorer

TOKEN = "token-of-the-benchmark-0123456789"  # noqa: S105 - a server of some seconds
# Of the file's rows, so many are enough to time the loop with.
SAMPLE = 5_000
GOAL = 3
# Of a file of so many rows to one process that is made for it; and of two workers to one.
GOAL_SCRIPT = 1.5
GOAL_WORKERS = 1.7
ROWS_OF_GOAL = 1_000_000

LOOP = """
import sys, time
import pandas
from jobyard.workers.sentiment.vader.rules import Analyzer
from jobyard.workers.sentiment.vader.scorer import Scorer
analyzer = Analyzer(Scorer().lexicon)
began = time.perf_counter()
table = pandas.read_csv(sys.argv[1], nrows=int(sys.argv[2]))
scores = [analyzer.polarity_scores(text) for text in table["text"]]
table.join(pandas.DataFrame(scores)).to_csv(sys.argv[1] + ".scored.csv", index=False)
print(time.perf_counter() - began)
"""


def bench(machine: Machine, pandas: str | None, rows: int, rounds: int) -> Iterator[Row]:
    """`pandas` is a folder that has it: Jobyard doesn't need it. Without, there is no loop."""
    scorer = Scorer()
    bulk = BulkScorer(scorer)
    texts = reviews(rows, sorted(scorer.lexicon))
    path = write_csv(machine.folder / "reviews.csv", texts)
    cores = os.cpu_count() or 1
    clients = {workers: client_of(machine, workers) for workers in sorted({1, min(cores, 2), cores})}
    busy: dict[str, list[float]] = {"system": [], "script": []}

    def counting(name: str, do: Callable[[], float]) -> float:
        before = machine.cpu_seconds() + time.process_time()
        seconds = do()
        busy[name].append(machine.cpu_seconds() + time.process_time() - before)
        return seconds

    uploaded = clients[cores].upload(path)["id"]
    measures: dict[str, Callable[[], float]] = {
        "system": partial(counting, "system", partial(through, clients[cores], path)),
        "job": partial(through, clients[cores], uploaded),
        "script": partial(counting, "script", partial(script, bulk, path, cores)),
        "alone": partial(alone, bulk, pa.array(texts), cores),
    }
    found = in_turns(measures, rounds)
    size = f"{rows:,} reviews, {path.stat().st_size / 1e6:.0f} MB"
    what = f"file to file, {size}, to the scorer alone on {cores} cores"
    yield compare(what, found["system"], found["alone"], "s", goal=GOAL, at_most=True)
    goal = GOAL_SCRIPT if rows >= ROWS_OF_GOAL else None
    what = "the same, to pyarrow and the scorer in one process"
    yield compare(what, found["system"], found["script"], "s", goal=goal, at_most=True)
    yield compare("      CPU of all processes", busy["system"][-rounds:], busy["script"][-rounds:], "s")
    yield compare("      of a file that is uploaded", found["job"], found["script"], "s")
    if cores > 1 and hasattr(os, "sched_setaffinity"):
        yield two_to_one(clients[2], clients[1], path, rounds, goal=goal and GOAL_WORKERS)
    if pandas is not None:
        loop = [rows / SAMPLE * looped(pandas, path) for _ in range(rounds)]
        yield compare(
            f"a loop of pandas and NLTK (extrapolated from {SAMPLE:,} rows)", found["system"], loop, "s"
        )


def two_to_one(two: Client, one: Client, path: Path, rounds: int, *, goal: float | None) -> Row:
    """Jobs an hour by the clock, of a file that is uploaded: two cpu workers, or one."""

    def hourly(client: Client, file: str) -> float:
        return 3_600 / through(client, file)

    clients = {"two": two, "one": one}
    found = in_turns(
        {name: partial(hourly, client, client.upload(path)["id"]) for name, client in clients.items()}, rounds
    )
    what = "the same, uploaded, by two cpu workers, to one"
    return compare(what, found["two"], found["one"], "jobs/h", goal=goal)


def write_csv(path: Path, texts: Sequence[str]) -> Path:
    """Three columns: a number, stars, and the text."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = python_csv.writer(file)
        writer.writerow(["id", "stars", "text"])
        writer.writerows((number, number % 5 + 1, text) for number, text in enumerate(texts))
    return path


def client_of(machine: Machine, cores: int) -> Client:
    """Web, and cpu workers on so many cores, one for each, as they are shipped for one machine."""
    home = machine.folder / f"system-{cores}"
    environment = {
        "JOBYARD_HOME": home,
        "JOBYARD_DATABASE_URL": machine.migrate(f"sqlite:///{home}.db"),
        "JOBYARD_BROKER_URL": machine.new_broker(),
        "JOBYARD_TOKEN": TOKEN,
    }
    with on_cores(cores):
        machine.python("jobyard.workers", "cpu", **environment)
    machine.python("jobyard.workers", "sweeper", **environment)
    port = machine.gunicorn(
        "jobyard.web.app:create_app()", "-c", "python:jobyard.web.gunicorn", **environment
    )
    return Client(f"http://127.0.0.1:{port}", TOKEN)


def through(client: Client, file: Path | str) -> float:
    """Seconds until the result of a file, or of an upload's id, is ready. Raises JobFailed."""
    began = time.perf_counter()
    client.score(file=file).wait()
    return time.perf_counter() - began


def script(scorer: BulkScorer, path: Path, cores: int) -> float:
    """Seconds that a script for this one file takes: read and written by pyarrow, scored by the scorer."""
    began = time.perf_counter()
    table = csv.read_csv(path)
    with ThreadPoolExecutor(cores) as pool:
        scored = pool.map(scorer.score, table["text"].chunks)
        scores = [np.concatenate(numbers) for numbers in zip(*scored, strict=True)]
    for name, numbers in zip(BulkScores._fields, scores, strict=True):
        table = table.append_column(name, pa.array(numbers))
    labels = labels_of(scores[-1], Thresholds())
    table = table.append_column("label", pa.array(LABELS).take(pa.array(labels)))
    parquet.write_table(table, path.with_suffix(".parquet"))
    return time.perf_counter() - began


def alone(scorer: BulkScorer, texts: pa.Array, cores: int) -> float:
    """Seconds that the scorer takes for the texts, on so many cores."""
    size = 10_000
    pieces = [texts.slice(start, size) for start in range(0, len(texts), size)]
    with ThreadPoolExecutor(cores) as pool:
        began = time.perf_counter()
        for _ in pool.map(scorer.score, pieces):
            pass
        return time.perf_counter() - began


def looped(pandas: str, path: Path) -> float:
    """Seconds that the loop takes for SAMPLE rows, without its start."""
    done = subprocess.run(
        [sys.executable, "-c", LOOP, str(path), str(SAMPLE)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": pandas},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)
