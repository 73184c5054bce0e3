"""Pictures a second in training: `train()` against the tutorial's script, and against tensors in memory."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.machine import CLEAN, ROOT
from benchmarks.table import Row, compare, in_turns
from jobyard.shared.errors import Cancelled
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.networks import building
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.training import data, splits
from jobyard.workers.training.fit import train

BATCH_SIZE = 32


class Turns(NoProgress):
    """A Report that lets one epoch of `steps` batches be trained at a time, and says how long they took."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._go: SimpleQueue[bool] = SimpleQueue()
        self._took: SimpleQueue[float] = SimpleQueue()
        self._began = 0.0

    def phase(self, name: str) -> None:
        if name.startswith("training epoch"):
            if not self._go.get():
                raise Cancelled
            self._began = perf_counter()

    def update(self, done: int, total: int | None, unit: str) -> None:
        if unit == "batches" and self._began and done and done % self._steps == 0:
            self._took.put(perf_counter() - self._began)

    def epoch(self) -> float:
        """Seconds of the next epoch."""
        self._go.put(True)
        return self._took.get(timeout=600)

    def end(self) -> None:
        self._go.put(False)


class Trained:
    """`train()` in a thread, an epoch at a time."""

    def __init__(self, folder: Path, workdir: Path, precision: str, pictures: int) -> None:
        spec = TrainSpec(
            dataset="pictures", network="classic", epochs=10_000, batch_size=BATCH_SIZE, precision=precision
        )
        self.turns = Turns(-(-pictures // BATCH_SIZE))
        workdir.mkdir()

        def run() -> None:
            try:
                train(spec, folder, workdir, self.turns)
            except Cancelled:
                return

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self.turns.end()
        self._thread.join(60)


class InMemory:
    """The same network on the same pictures as float32 tensors: `model.fit`, nothing changed or read."""

    def __init__(self, pixels: Any, labels: Any, precision: str) -> None:
        self._pixels, self._labels = pixels, labels
        self._model = building.build("classic", pixels.shape[1], 2, precision)
        self._model.compile("adam", "binary_crossentropy", metrics=["accuracy"])

    def epoch(self) -> float:
        began = perf_counter()
        self._model.fit(self._pixels, self._labels, batch_size=BATCH_SIZE, epochs=1, verbose=0)
        return perf_counter() - began


@contextmanager
def tutorial(folder: Path, packages: str) -> Iterator[Any]:
    """The script in a process of its own; what is yielded trains an epoch and returns its seconds."""
    script = ROOT / "benchmarks" / "training" / "peers" / "tutorial.py"
    process = subprocess.Popen(
        [sys.executable, script, folder],
        env=CLEAN | {"PYTHONPATH": packages, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None  # noqa: S101 - for the types
    assert process.stdout is not None  # noqa: S101

    def epoch() -> float:
        print(file=process.stdin, flush=True)
        for answer in process.stdout:
            if answer.startswith("seconds "):
                return float(answer.split()[1])
        raise RuntimeError("the tutorial's script ended")

    try:
        yield epoch
    finally:
        process.kill()
        process.wait()


def bench(folder: Path, scratch: Path, packages: str, *, auto: str, rounds: int) -> list[Row]:
    """`folder` has train/ and validation/; `packages` has what the script needs; `auto` is the precision."""
    split = splits.find(folder, 0.2, 0)
    pictures, _, _ = data.decode_all(split, 150, scratch, NoProgress())
    pixels, labels = pictures.pixels[:].astype(np.float32), pictures.labels
    count = len(labels)
    precisions = dict.fromkeys(["float32", auto])
    ours = {name: Trained(folder, scratch / name, name, count) for name in precisions}
    memory = {name: InMemory(pixels, labels, name) for name in precisions}
    with tutorial(folder, packages) as script:
        measures = {"script": script}
        measures |= {f"train() {name}": ours[name].turns.epoch for name in precisions}
        measures |= {f"in memory {name}": memory[name].epoch for name in precisions}
        found = in_turns(measures, rounds)
    for one in ours.values():
        one.end()
    speed = {name: [count / seconds for seconds in times] for name, times in found.items()}
    rows = [
        compare(
            "train(), float32, to the tutorial's script",
            speed["train() float32"],
            speed["script"],
            "pict/s",
            goal=1,
        )
    ]
    if auto != "float32":
        what = f"train(), {auto} (auto), to the tutorial's script"
        rows.append(compare(what, speed[f"train() {auto}"], speed["script"], "pict/s", goal=2))
    rows += [
        compare(
            f"train(), {name}, to tensors in memory",
            speed[f"train() {name}"],
            speed[f"in memory {name}"],
            "pict/s",
            goal=0.97,
        )
        for name in precisions
    ]
    return rows


def accuracies(folder: Path, scratch: Path, auto: str, seeds: int, epochs: int) -> Iterator[str]:
    """The final validation accuracy of float32 and of `auto`, seed by seed."""
    for seed in range(seeds):
        found = []
        for precision in ("float32", auto):
            workdir = scratch / f"{precision}-{seed}"
            workdir.mkdir()
            spec = TrainSpec(
                dataset="pictures",
                network="classic",
                epochs=epochs,
                batch_size=BATCH_SIZE,
                precision=precision,
                seed=seed,
            )
            found.append(train(spec, folder, workdir, NoProgress()).metrics["final"]["val_accuracy"])
        yield f"  seed {seed}: float32 {found[0]:.3f}, {auto} {found[1]:.3f}"
