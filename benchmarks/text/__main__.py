"""`make bench-text`: texts a second, against NLTK and vaderSentiment, in one run, in turns."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable

from benchmarks.machine import Machine
from benchmarks.table import HEAD, Row, line
from benchmarks.text import scorers, system


def main() -> int:
    """Print the table; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text", description=__doc__)
    parser.add_argument("--pandas", help="a folder that has requirements.txt; without it, no loop of pandas")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and texts")
    chosen = parser.parse_args()
    # So that what was started is ended then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rounds = 3 if chosen.quick else 7
    began = time.monotonic()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}; medians of {rounds} rounds in turns")
    for start in scorers.starting():
        print(start, flush=True)
    print(HEAD, flush=True)
    missed = False

    def show(rows: Iterable[Row]) -> None:
        nonlocal missed
        for row in rows:
            print(line(row), flush=True)
            missed = missed or "MISSED" in row.verdict

    show(scorers.bench(count=20_000 if chosen.quick else 100_000, rounds=rounds))
    with Machine() as machine:
        rows = 200_000 if chosen.quick else 1_000_000
        show(system.bench(machine, chosen.pandas, rows=rows, rounds=rounds))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
