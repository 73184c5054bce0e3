"""`make bench-networks`: how well the networks learn from few photographs, and how long they take.

Cross-validation: the photographs are dealt into folds; each network is trained with its defaults on all
folds but one, a fifth of which chooses the epoch, and judged by the one that it never saw.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from time import perf_counter

import numpy as np

from jobyard.shared.kinds.train import RECIPES, TrainSpec
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.training.evaluate import wilson
from jobyard.workers.training.fit import train

# Which precision each takes: the reference is what the tutorial was, the default what users get.
PRECISIONS = {"classic": "float32", "compact": "auto"}
GOAL = 0.84


@dataclass(frozen=True)
class Trial:
    """One training: what it got right of `pictures` that it never saw, and its seconds from end to end."""

    right: int
    pictures: int
    seconds: float

    @property
    def accuracy(self) -> float:
        return self.right / self.pictures


def main() -> int:
    """Print the table; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.networks", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="a folder with a folder of photographs per class"
    )
    parser.add_argument("--test", type=Path, help="judge by these photographs instead; all of --data train")
    parser.add_argument("--folds", type=int, default=5, help="into how many folds to deal the photographs")
    parser.add_argument("--only", type=int, help="try so many of the folds")
    chosen = parser.parse_args()
    for folder in filter(None, (chosen.data, chosen.test)):
        if not folder.is_dir() or sum(path.is_dir() for path in folder.iterdir()) < 2:
            parser.error(f"{folder} should be a folder with a folder of photographs for each class")
    trials: dict[str, list[Trial]] = {name: [] for name in sorted(RECIPES)}
    print(f"{os.cpu_count()} cores; {chosen.data.name}; accuracy on photographs never seen, and seconds")
    print(f"{'fold':<6}" + "".join(f"{f'{name} ({PRECISIONS[name]})':>24}" for name in trials), flush=True)
    with tempfile.TemporaryDirectory(prefix="jy-bench-") as scratch:
        for number, folder in enumerate(_folds(chosen, Path(scratch)), 1):
            for name, found in trials.items():
                found.append(_try(name, folder, Path(scratch) / f"{name}-{number}"))
            newest = [found[-1] for found in trials.values()]
            print(
                f"{number:<6}"
                + "".join(f"{trial.accuracy:>16.3f}{trial.seconds:>6.0f} s" for trial in newest),
                flush=True,
            )
            if number == chosen.only:
                break
    for name, found in trials.items():
        right, count = sum(trial.right for trial in found), sum(trial.pictures for trial in found)
        low, high = wilson(right, count)
        seconds = mean(trial.seconds for trial in found)
        print(f"{name}: {right / count:.3f} ({low:.3f} to {high:.3f} at 95 %) in {seconds:.0f} s")
    return _judge(trials)


def _judge(trials: dict[str, list[Trial]]) -> int:
    ours, theirs = trials["compact"], trials["classic"]
    accuracy = sum(trial.right for trial in ours) / sum(trial.pictures for trial in ours)
    time = float(np.median([one.seconds / other.seconds for one, other in zip(ours, theirs, strict=True)]))
    good, fast = accuracy >= GOAL, time <= 1
    print(f"compact, accuracy: {accuracy:.3f}, ≥ {GOAL} {'met' if good else 'MISSED'}")
    print(f"compact to classic, time: {time:.2f}, ≤ 1 {'met' if fast else 'MISSED'}")
    return 0 if good and fast else 1


def _try(network: str, folder: Path, workdir: Path) -> Trial:
    workdir.mkdir()
    spec = TrainSpec.model_validate(
        {"dataset": "photographs", "network": network, "precision": PRECISIONS[network]}
    )
    began = perf_counter()
    judged = train(spec, folder, workdir, NoProgress()).evaluation
    seconds = perf_counter() - began
    return Trial(round(judged["accuracy"] * judged["pictures"]), judged["pictures"], seconds)


def _folds(chosen: argparse.Namespace, scratch: Path) -> Iterator[Path]:
    """Folders with train/ and test/, of links to the photographs."""
    parts = {
        kind.name: np.random.default_rng(0).permutation(sorted(kind.iterdir()))
        for kind in sorted(chosen.data.iterdir())
        if kind.is_dir()
    }
    for fold in range(1 if chosen.test else chosen.folds):
        folder = scratch / f"fold-{fold}"
        for kind, files in parts.items():
            if chosen.test:
                tested = sorted((chosen.test / kind).iterdir())
                trained = list(files)
            else:
                tested = list(files[fold :: chosen.folds])
                trained = [file for index, file in enumerate(files) if index % chosen.folds != fold]
            for part, linked in (("train", trained), ("test", tested)):
                target = folder / part / kind
                target.mkdir(parents=True)
                for file in linked:
                    (target / file.name).symlink_to(Path(file).resolve())
        yield folder


if __name__ == "__main__":
    sys.exit(main())
