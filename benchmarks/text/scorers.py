"""The scorer against NLTK and the vaderSentiment package: the same texts, one core, in turns."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
from nltk.sentiment import vader
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer as Package

from benchmarks.machine import on_cores
from benchmarks.table import Row, compare, in_turns
from benchmarks.text.reviews import corpora, reviews
from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.scorer import Scorer
from jobyard.workers.sentiment.vader.unseen import kinds

# Of the texts, so many are enough to time NLTK and vaderSentiment with: evenly from all of them.
SAMPLE = 1_000
LONG_TEXT = 10_000_000

GOAL_NLTK = 100
GOAL_PACKAGE = 40
# Of one long text to short ones, bytes a second; and of two threads to one.
GOAL_LINEAR = 0.7
GOAL_THREADS = 1.7
# Of `normalize: standard` to none, on texts that have nothing to normalise.
GOAL_NORMALIZE = 0.95

STARTING = """
import resource, time
began = time.perf_counter()
from jobyard.workers.sentiment.vader.scorer import Scorer
scorer = Scorer()
scorer.score("good")
one = time.perf_counter()
import pyarrow as pa
from jobyard.workers.sentiment.vader.bulk import BulkScorer
BulkScorer(scorer).score(pa.array(["good"]))
print(one - began, time.perf_counter() - one, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def bench(count: int, rounds: int) -> Iterator[Row]:
    """One row after the other; `count` texts like reviews."""
    scorer = Scorer()
    bulk = BulkScorer(scorer)
    made = reviews(count, sorted(scorer.lexicon))
    with on_cores(1):
        for name, texts in {"made": made, **corpora()}.items():
            yield from against_peers(name, texts, scorer, bulk, rounds)
        yield linear(made, bulk, rounds)
        yield from normalizing(made, bulk, rounds)
    if (os.cpu_count() or 1) > 1:
        yield threads(made, bulk, rounds)


def against_peers(
    name: str, texts: Sequence[str], scorer: Scorer, bulk: BulkScorer, rounds: int
) -> list[Row]:
    """Thousands of texts a second, of CPU time: whoever else runs on this machine takes it from all."""
    sample = texts[:: max(1, len(texts) // SAMPLE)]
    nltk = vader.SentimentIntensityAnalyzer.__new__(vader.SentimentIntensityAnalyzer)
    nltk.lexicon, nltk.constants = scorer.lexicon, vader.VaderConstants()
    package = Package()
    # So many at once that a clock can see it.
    array = pa.array(list(texts) * max(1, 100_000 // len(texts)))
    found = in_turns(
        {
            "ours": lambda: rate(lambda: bulk.score(array), len(array)),
            "nltk": lambda: rate(lambda: [nltk.polarity_scores(text) for text in sample], len(sample)),
            "package": lambda: rate(lambda: [package.polarity_scores(text) for text in sample], len(sample)),
            "single": lambda: rate(lambda: [scorer.score(text) for text in sample], len(sample)),
        },
        rounds,
    )
    characters = sum(map(len, texts)) / len(texts)
    what = f"{name}, {characters:.0f} characters"
    return [
        compare(f"{what}: NLTK", found["ours"], found["nltk"], "k/s", goal=GOAL_NLTK),
        compare(f"{what}: vaderSentiment", found["ours"], found["package"], "k/s", goal=GOAL_PACKAGE),
        compare(f"{what}: one by one, NLTK", found["single"], found["nltk"], "k/s"),
    ]


def rate(work: Callable[[], object], units: float) -> float:
    """Thousands of units a second of CPU time."""
    began = time.process_time()
    work()
    return units / (time.process_time() - began) / 1_000


def linear(texts: list[str], bulk: BulkScorer, rounds: int) -> Row:
    """One text of ten megabytes in one line, against the same in reviews."""
    joined = " ".join(texts)
    long = pa.array([(joined * (LONG_TEXT // len(joined) + 1))[:LONG_TEXT]])
    short = pa.array(texts)
    found = in_turns(
        {
            "long": lambda: rate(lambda: bulk.score(long), long.nbytes / 1_000),
            "short": lambda: rate(lambda: bulk.score(short), short.nbytes / 1_000),
        },
        rounds,
    )
    what = "one text of 10 MB, to reviews"
    return compare(what, found["long"], found["short"], "MB/s", goal=GOAL_LINEAR)


def normalizing(texts: list[str], bulk: BulkScorer, rounds: int) -> Iterator[Row]:
    """Thousands of texts a second with `normalize: standard`, to none."""
    standard = BulkScorer(Scorer(normalize=True))
    plain = [text for text in texts if not kinds(text)]
    for what, chosen, goal in (("without emoji", plain, GOAL_NORMALIZE), ("some with emoji", texts, None)):
        array = pa.array(chosen * max(1, 100_000 // len(chosen)))
        found = in_turns(
            {
                "standard": lambda array=array: rate(lambda: standard.score(array), len(array)),
                "none": lambda array=array: rate(lambda: bulk.score(array), len(array)),
            },
            rounds,
        )
        yield compare(f"normalized, {what}: as they are", found["standard"], found["none"], "k/s", goal=goal)


def threads(texts: list[str], bulk: BulkScorer, rounds: int) -> Row:
    """Thousands of texts a second by the clock: two threads that share them, or one."""
    array = pa.array(texts * 4)
    size = len(array) // 32
    parts = [array[start : start + size] for start in range(0, len(array), size)]

    def by(pool: ThreadPoolExecutor) -> float:
        began = time.perf_counter()
        list(pool.map(bulk.score, parts))
        return len(array) / (time.perf_counter() - began) / 1_000

    with ThreadPoolExecutor(2) as two, ThreadPoolExecutor(1) as one:
        found = in_turns({"two": lambda: by(two), "one": lambda: by(one)}, rounds)
    return compare("two threads, to one", found["two"], found["one"], "k/s", goal=GOAL_THREADS)


def starting() -> Iterator[str]:
    """What a process's first texts wait for, and its memory then: without and with compiled code on disk."""
    with tempfile.TemporaryDirectory() as folder:
        for what in ("first on this machine", "later"):
            done = subprocess.run(
                [sys.executable, "-c", STARTING],
                env=os.environ | {"NUMBA_CACHE_DIR": folder},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            one, bulk, memory = map(float, done.stdout.split())
            yield (
                f"start, {what}: {one:.2f} s to a single text, {bulk:.2f} s more to a file's; {memory:.0f} MB"
            )
