"""`make bench-queue`: Jobyard against its peers, on one machine, in one run, in turns.

A benchmark's folder has no `__init__.py`: `benchmarks/` on the path would put it before the standard
library's `queue`.
"""

import argparse
import os
import signal
import sys
import time

from benchmarks.machine import Machine
from benchmarks.queue import engines, history, latency, routes
from benchmarks.table import HEAD, Row, line

PARTS = "abcde"


def main() -> int:
    """Print the table; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue", description=__doc__)
    parser.add_argument("--peers", help="the Python that has requirements.txt; without it, no Procrastinate")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and no million of jobs")
    parser.add_argument("--only", default=PARTS, help="some of the parts abcde")
    chosen = parser.parse_args()
    # So that what was started is ended then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rounds = 3 if chosen.quick else 5
    began = time.monotonic()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}; medians of {rounds} rounds in turns")
    print(HEAD, flush=True)
    rows: list[Row] = []

    def show(found: list[Row]) -> None:
        rows.extend(found)
        for row in found:
            print(line(row), flush=True)

    # Each part has a machine of its own, so that nobody else's processes idle beside it.
    if "a" in chosen.only:
        with Machine() as machine:
            show(engines.bench(machine, chosen.peers, jobs=500 if chosen.quick else 1_000, rounds=rounds))
    if set("bc") & set(chosen.only):
        with Machine() as machine:
            count = 400 if chosen.quick else 1_000
            show(routes.bench(machine, chosen.only, count=count, rounds=rounds))
    if "d" in chosen.only:
        with Machine() as machine:
            show(latency.bench(machine, count=100, rounds=rounds))
    if "e" in chosen.only:
        sizes = [1_000, 100_000] if chosen.quick else [1_000, 100_000, 1_000_000]
        with Machine() as machine:
            show(history.bench(machine, sizes=sizes, jobs=500, rounds=rounds))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if any("MISSED" in row.verdict for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
