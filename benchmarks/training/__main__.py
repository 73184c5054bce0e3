"""`make bench-train`: pictures a second in training, in one run, in turns."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from benchmarks.table import HEAD, Row, line
from benchmarks.training import speed, whole
from jobyard.demo.pictures import draw_set
from jobyard.workers.training.devices import prepare

# As photographs come, roughly: the script decodes and shrinks them in every epoch.
PHOTOGRAPH = (500, 375)


def main() -> int:
    """Print the table; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--scipy", required=True, help="a folder that has requirements.txt")
    parser.add_argument("--data", type=Path, help="a folder with a folder of photographs per class")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and pictures")
    chosen = parser.parse_args()
    rounds = 3 if chosen.quick else 7
    began = time.monotonic()
    missed = False

    def show(rows: Iterable[Row]) -> None:
        nonlocal missed
        for row in rows:
            print(line(row), flush=True)
            missed = missed or "MISSED" in row.verdict

    with tempfile.TemporaryDirectory(prefix="jy-bench-") as name:
        scratch = Path(name)
        folder = scratch / "pictures"
        count = _lay_out(folder, chosen.data, 128 if chosen.quick else 512, scratch)
        auto = prepare("auto", 0, "compact").precision
        print(
            f"{os.cpu_count()} cores, {count} pictures; medians of {rounds} rounds in turns; auto is {auto}"
        )
        print(HEAD, flush=True)
        show(speed.bench(folder, scratch, chosen.scipy, auto=auto, rounds=rounds))
        show(whole.bench(folder, scratch, epochs=4 if chosen.quick else 10, rounds=2 if chosen.quick else 3))
        if auto != "float32":
            print("final validation accuracy:")
            seeds, epochs = (1, 2) if chosen.quick else (3, 10)
            for found in speed.accuracies(folder, scratch, auto, seeds, epochs):
                print(found, flush=True)
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if missed else 0


def _lay_out(folder: Path, photographs: Path | None, per_class: int, scratch: Path) -> int:
    """Write train/ and validation/, of the photographs or of drawn pictures; how many train."""
    if photographs is None:
        photographs = scratch / "drawn"
        draw_set(photographs, per_class + per_class // 4)
        for path in photographs.glob("*/*"):
            Image.open(path).resize(PHOTOGRAPH, Image.Resampling.BICUBIC).save(path, quality=90)
    count = 0
    for source in sorted(path for path in photographs.iterdir() if path.is_dir()):
        for number, path in enumerate(sorted(source.iterdir())):
            part = "train" if number < per_class else "validation"
            if number >= per_class + per_class // 4:
                break
            target = folder / part / source.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            count += part == "train"
    return count


if __name__ == "__main__":
    sys.exit(main())
