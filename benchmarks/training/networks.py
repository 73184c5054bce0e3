"""`make bench-networks`: how well the networks learn from few and from many photographs, and in what time.

For each size of training set, photographs are drawn; each network is trained on them with its defaults, and
judged by others that it never saw. A fifth of the drawn ones chooses the epoch. The seconds are those of
`train()`: decoding, training, and evaluating on all pictures that judge.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from benchmarks.training.trials import CONTENDERS, Trial, lines, verdicts
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.training.fit import train

SIZES = (10, 20, 50, 100, 1_000)
QUICK_SIZES = (20,)
QUICK = ("efficientnet-lite0", "compact", "classic")
# The fewer pictures, the more it depends on which ones were drawn.
FEW, SEVERAL = 20, 100
DRAWS_OF_FEW, DRAWS_OF_SEVERAL = 5, 3
# Pictures a class that judge at most, where no folder of theirs is named.
JUDGES = 200


@dataclass(frozen=True)
class Draw:
    """A data set of one drawing: train/ and test/, of links to photographs."""

    size: int
    number: int
    folder: Path


def main() -> int:
    """Print the table; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.networks", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="a folder with a folder of photographs per class"
    )
    parser.add_argument("--test", type=Path, help="judge by these photographs; all of --data may train")
    parser.add_argument("--sizes", type=_sizes, help="photographs a class to train on, such as 10,100")
    parser.add_argument("--draws", type=int, help="drawings of each size; default: the smaller, the more")
    parser.add_argument("--only", help="networks, separated by semicolons; " + "; ".join(CONTENDERS))
    parser.add_argument("--quick", action="store_true", help="one small size, and no fine-tuning")
    chosen = parser.parse_args()
    for folder in filter(None, (chosen.data, chosen.test)):
        if not folder.is_dir() or sum(path.is_dir() for path in folder.iterdir()) < 2:
            parser.error(f"{folder} should be a folder with a folder of photographs for each class")
    if chosen.test and (strange := set(_photographs(chosen.data)) ^ set(_photographs(chosen.test))):
        parser.error(f"one of --data and --test lacks the class {min(strange)!r}: both should have the same")
    names = [name.strip() for name in chosen.only.split(";")] if chosen.only else list(CONTENDERS)
    if unknown := [name for name in names if name not in CONTENDERS]:
        parser.error(f"--only has {unknown[0]!r}: should be of {'; '.join(CONTENDERS)}")
    if chosen.quick:
        names = [name for name in names if name in QUICK]
    return _compare(chosen, names)


def _compare(chosen: argparse.Namespace, names: list[str]) -> int:
    judges = _photographs(chosen.test) if chosen.test else None
    photographs = _photographs(chosen.data)
    sizes = chosen.sizes or (QUICK_SIZES if chosen.quick else SIZES)
    trials: dict[tuple[str, int], list[Trial]] = {}
    # A process for each training, as in a worker: TensorFlow keeps memory of every network.
    pool = ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1)
    with pool, tempfile.TemporaryDirectory(prefix="jy-bench-") as scratch:
        for draw in draws(photographs, judges, sizes, chosen.draws, Path(scratch)):
            for name in names:
                workdir = draw.folder / f"with {name}"
                trial = pool.submit(_try, CONTENDERS[name], draw.folder, workdir).result()
                trials.setdefault((name, draw.size), []).append(trial)
                print(
                    f"{draw.size} a class, draw {draw.number}, {name}: {trial.accuracy:.3f} "
                    f"of {trial.pictures} in {trial.seconds:.0f} s, {trial.cpu_seconds:.0f} of processors",
                    flush=True,
                )
    print()
    judged = f"{next(iter(trials.values()))[0].pictures} photographs never seen"
    print("\n".join(lines(trials, os.cpu_count() or 1, judged)))
    print()
    found = verdicts(trials)
    for verdict in found:
        print(verdict.text)
    return 0 if all(verdict.met for verdict in found) else 1


def _try(fields: dict[str, object], folder: Path, workdir: Path) -> Trial:
    workdir.mkdir()
    spec = TrainSpec.model_validate({"dataset": "photographs", **fields})
    began, computed = perf_counter(), process_time()
    trained = train(spec, folder, workdir, NoProgress())
    seconds, cpu_seconds = perf_counter() - began, process_time() - computed
    judged = trained.evaluation
    shutil.rmtree(workdir)  # decoded pictures are large
    right = round(judged["accuracy"] * judged["pictures"])
    return Trial(right, judged["pictures"], seconds, cpu_seconds, trained.bytes)


def draws(
    photographs: dict[str, list[Path]],
    judges: dict[str, list[Path]] | None,
    sizes: tuple[int, ...],
    count: int | None,
    scratch: Path,
) -> Iterator[Draw]:
    """The drawings of each size. Without `judges`, a fifth of each class judges, JUDGES at most.

    A size that is more than there are to train on becomes as many as there are.
    """
    done: Counter[int] = Counter()
    for size in sizes:
        for number in range(count or draws_of(size)):
            parts = {
                name: _part(files, judges[name] if judges else None, size, (number, index))
                for index, (name, files) in enumerate(photographs.items())
            }
            real = min(len(trained) for trained, _ in parts.values())
            done[real] += 1
            draw = Draw(real, done[real], scratch / f"{real}-{done[real]}")
            for name, (trained, tested) in parts.items():
                _link(trained[:real], draw.folder / "train" / name)
                _link(tested, draw.folder / "test" / name)
            yield draw


def draws_of(size: int) -> int:
    """How often pictures are drawn for a training set of so many a class."""
    if size <= FEW:
        return DRAWS_OF_FEW
    return DRAWS_OF_SEVERAL if size <= SEVERAL else 1


def _part(
    files: list[Path], judges: list[Path] | None, size: int, seed: tuple[int, int]
) -> tuple[list[Path], list[Path]]:
    """What trains and what judges, of one class."""
    order = [files[index] for index in np.random.default_rng(seed).permutation(len(files))]
    if judges is not None:
        return order[:size], judges
    held = min(JUDGES, len(files) // 5)
    return order[held:][:size], order[:held]


def _photographs(folder: Path) -> dict[str, list[Path]]:
    return {
        kind.name: sorted(path for path in kind.iterdir() if path.is_file())
        for kind in sorted(folder.iterdir())
        if kind.is_dir()
    }


def _link(files: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for file in files:
        (folder / file.name).symlink_to(file.resolve())


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(part) for part in text.split(","))
    if min(sizes) < 2:
        raise argparse.ArgumentTypeError("should be at least 2 a class: one trains, one chooses the epoch")
    return sizes


if __name__ == "__main__":
    sys.exit(main())
