"""`make fuzz-parquet`: Parquet made to go wrong is read in other processes, none of which may end by it."""

import argparse
import multiprocessing.pool
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

BATCH = 500


def crashes(seeds: range) -> list[str]:
    """The seeds of files that end their reader, take too much memory or raise no sentence, and how."""
    found: list[str] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        first = seeds.start
        while first < seeds.stop:
            command = [sys.executable, "-m", "tests.fuzz.parquet_child", name, str(first), str(seeds.stop)]
            ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
            at = int((folder / "at").read_text())
            if ended.returncode < 0:
                found.append(f"{at}: {signal.Signals(-ended.returncode).name}: {ended.stderr.strip()[-300:]}")
            elif ended.returncode:
                raise RuntimeError(ended.stderr)
            first = at + 1
        return found + (folder / "wrong").read_text().splitlines()


def main() -> int:
    """Print how far it is, and what was found; 1 if anything was."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.parquet_readers", description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first file; each next one has the next")
    chosen = parser.parse_args()
    end = chosen.seed + chosen.files
    batches = [range(first, min(first + BATCH, end)) for first in range(chosen.seed, end, BATCH)]
    began = time.monotonic()
    found: list[str] = []
    with multiprocessing.pool.ThreadPool(os.cpu_count()) as pool:
        for done, wrong in enumerate(pool.imap_unordered(crashes, batches), 1):
            found += wrong
            for line in wrong:
                say(line)
            say(f"{done} of {len(batches)} batches, {len(found):,} found, {time.monotonic() - began:.0f} s")
    return 1 if found else 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
