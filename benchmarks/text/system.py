"""A file's way through the whole system: uploaded, scored, its result ready. Against what the scorer alone
needs for its texts on the same cores, and a plain loop of pandas and NLTK over the same file.
"""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa

from benchmarks.machine import ROOT, Machine
from benchmarks.table import Row, compare, in_turns
from benchmarks.text.reviews import reviews
from jobyard.client import Client
from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.scorer import Scorer

TOKEN = "token-of-the-benchmark-0123456789"  # noqa: S105 - a server of some seconds
# Of the file's rows, so many are enough to time the loop with.
SAMPLE = 5_000
GOAL = 3

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
    texts = reviews(rows, sorted(scorer.lexicon))
    path = write_csv(machine.folder / "reviews.csv", texts)
    cores = os.cpu_count() or 1
    measures: dict[str, Callable[[], float]] = {
        "system": partial(through, client_of(machine), path),
        "alone": partial(alone, BulkScorer(scorer), pa.array(texts), cores),
    }
    found = in_turns(measures, rounds)
    size = f"{rows:,} reviews, {path.stat().st_size / 1e6:.0f} MB"
    what = f"file to file, {size}, to the scorer alone on {cores} cores"
    yield compare(what, found["system"], found["alone"], "s", goal=GOAL, at_most=True)
    if pandas is not None:
        loop = [rows / SAMPLE * looped(pandas, path) for _ in range(rounds)]
        yield compare(
            f"a loop of pandas and NLTK (extrapolated from {SAMPLE:,} rows)", found["system"], loop, "s"
        )


def write_csv(path: Path, texts: Sequence[str]) -> Path:
    """Three columns: a number, stars, and the text."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "stars", "text"])
        writer.writerows((number, number % 5 + 1, text) for number, text in enumerate(texts))
    return path


def client_of(machine: Machine) -> Client:
    """Web and cpu worker as they are shipped for one machine."""
    environment = {
        "JOBYARD_HOME": machine.folder / "system",
        "JOBYARD_DATABASE_URL": machine.migrate(f"sqlite:///{machine.folder / 'system.db'}"),
        "JOBYARD_BROKER_URL": machine.new_broker(),
        "JOBYARD_TOKEN": TOKEN,
    }
    machine.python("jobyard.workers", "cpu", **environment)
    machine.python("jobyard.workers", "sweeper", **environment)
    port = machine.gunicorn(
        "jobyard.web.app:create_app()", "-c", "python:jobyard.web.gunicorn", **environment
    )
    return Client(f"http://127.0.0.1:{port}", TOKEN)


def through(client: Client, path: Path) -> float:
    """Seconds until the result is ready. Raises JobFailed."""
    began = time.perf_counter()
    client.score(file=path).wait()
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
