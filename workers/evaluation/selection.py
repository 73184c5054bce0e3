"""Which pictures of a data set an evaluation is on, and in which order."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobyard.shared.errors import WorkError
from jobyard.workers.training.splits import hold_out, mixed

TRAIN, VALIDATION, TEST, ALL, AUTO = "train", "validation", "test", "all", "auto"

# Pictures by class.
Files = dict[str, list[str]]


@dataclass(frozen=True)
class Trained:
    """How the model's training on the same data set divided it.

    `identical` has the group of each picture that equals others.
    """

    validation_split: float
    seed: int
    identical: Mapping[str, str]


@dataclass(frozen=True)
class Selection:
    """`places` ("test/cats/1.jpg") in the order of the evaluation, with their true classes `labels` (n,)."""

    split: str
    places: list[str]
    labels: NDArray[np.int32]


def select(places: Iterable[str], split: str, classes: Sequence[str], trained: Trained | None) -> Selection:
    """The pictures of a split; `auto` is test, else validation, else all.

    A data set without validation pictures has those that a training on it held out, if `trained` says how.
    The order is that of this training, so that the same batches give the same numbers. `classes` are the
    model's, in the order of its outputs. Raises WorkError where there are no such pictures, or of a class
    that the model doesn't know.
    """
    parts: dict[str, Files] = defaultdict(lambda: defaultdict(list))
    for place in places:
        part, name, _ = place.split("/", 2)
        parts[part][name].append(place)
    if VALIDATION not in parts and trained is not None and split in (AUTO, VALIDATION):
        files = _sorted(parts[TRAIN])
        _, held_out = hold_out(files, trained.validation_split, trained.seed, trained.identical.get)
        parts[VALIDATION] = held_out
    if split == AUTO:
        split = next((part for part in (TEST, VALIDATION) if part in parts), ALL)
    chosen = _united(parts.values()) if split == ALL else parts.get(split)
    if not chosen:
        raise WorkError(f"the data set has no {split} pictures; it has {', '.join(sorted(parts))}")
    if strange := sorted({*chosen} - {*classes}):
        raise WorkError(f"the data set has the class {strange[0]!r}, of which the model knows nothing")
    examples = mixed(_sorted(chosen), classes, 0 if trained is None else trained.seed)
    labels = np.array([label for _, label in examples], dtype=np.int32)
    return Selection(split, [place for place, _ in examples], labels)


def _sorted(files: Mapping[str, Sequence[str]]) -> Files:
    return {name: sorted(files[name]) for name in sorted(files)}


def _united(parts: Iterable[Mapping[str, Sequence[str]]]) -> Files:
    united: Files = defaultdict(list)
    for files in parts:
        for name, places in files.items():
            united[name] += places
    return united
