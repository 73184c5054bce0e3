"""`make bench-predict`: pictures a second, and one picture's way through the system, in one run, in turns."""

import argparse
import os
import signal
import sys
import time

from benchmarks.machine import Machine
from benchmarks.table import HEAD, line


def main() -> int:
    """Print the table; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prediction", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and pictures")
    chosen = parser.parse_args()
    # So that what was started is ended then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
    from benchmarks.prediction import speed, system

    rounds, count = (3, 192) if chosen.quick else (5, 512)
    began = time.monotonic()
    print(f"{os.cpu_count()} cores; the network `classic` at 150 pixels; medians of {rounds} rounds in turns")
    print(HEAD, flush=True)
    missed = False
    with Machine() as machine:
        model = speed.network(machine.folder / "model.keras")
        for row in speed.bench(machine.folder, model, count, rounds):
            print(line(row), flush=True)
            missed = missed or "MISSED" in row.verdict
        files = speed.photographs(machine.folder / "archive", 1_200 if chosen.quick else 4_000)
        for said in system.bench(machine, model, files, count=20 if chosen.quick else 50):
            print(said, flush=True)
            missed = missed or "MISSED" in said
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
