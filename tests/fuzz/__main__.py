"""`make fuzz-text`: texts made to go wrong, on all cores, scored by NLTK and by us, compared to the bit."""

import argparse
import multiprocessing
import os
import sys
import time

from tests.fuzz.batches import BATCH, differing

SHOWN = 20


def main() -> int:
    """Print how far it is, and which texts differ; 1 if any does."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first batch; each next one has the next")
    chosen = parser.parse_args()
    seeds = range(chosen.seed, chosen.seed - (-chosen.texts // BATCH))
    began = time.monotonic()
    found: list[str] = []
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for done, texts in enumerate(pool.imap_unordered(differing, seeds), 1):
            found += texts
            for text in texts[:SHOWN]:
                say(f"differs: {text!r}")
            if done % 10 == 0 or done == len(seeds):
                seconds = time.monotonic() - began
                say(f"{done * BATCH:,} texts, {len(found):,} differ, {seconds:.0f} s")
    return 1 if found else 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
