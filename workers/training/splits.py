"""Which pictures of a data set are for training, for validation and for the test."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from jobyard.shared.errors import WorkError
from jobyard.workers.datasets import identical
from jobyard.workers.datasets.pixels import place_of

Example = tuple[Path, int]
# A picture, as a path or by its place in the data set's zip.
Picture = TypeVar("Picture")


@dataclass(frozen=True)
class DatasetSplit:
    """The files of each part, each with the index of its class in `classes` (sorted by name).

    `test` is empty where the data set has none.
    """

    classes: list[str]
    train: list[Example]
    validation: list[Example]
    test: list[Example]

    def counts(self) -> dict[str, dict[str, int]]:
        """Pictures per part and class."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        counts = {part: Counter(label for _, label in examples) for part, examples in parts.items()}
        return {
            part: {name: labels[index] for index, name in enumerate(self.classes)}
            for part, labels in counts.items()
            if labels
        }


def find(dataset: Path, validation_split: float, seed: int) -> DatasetSplit:
    """The split of the folder `dataset`: its own, or a share held out of each class by the seed.

    Pictures of `test/`, if there is one, have no part in the training at all. Of pictures that are the same
    either all are held out or none.

    Raises WorkError if there are fewer than two classes, or no pictures to train on or to evaluate on.
    """
    train = _files_by_class(dataset / "train")
    classes = sorted(train)
    if len(classes) < 2:
        found = f"only the class '{classes[0]}'" if classes else "no classes"
        raise WorkError(f"the data set has {found}: should have at least two folders of pictures in train/")
    _refuse_empty(train, "train/")

    test = _same_classes(dataset / "test", classes)
    validation = _same_classes(dataset / "validation", classes)
    if not validation:
        same = identical.read(dataset)
        train, validation = hold_out(train, validation_split, seed, lambda path: same.get(place_of(path)))

    return DatasetSplit(classes, *(mixed(part, classes, seed) for part in (train, validation, test)))


def _same_classes(folder: Path, classes: list[str]) -> dict[str, list[Path]]:
    """The files of a part that a data set may have; {} if it has not. Raises WorkError."""
    if not folder.is_dir():
        return {}
    files = _files_by_class(folder)
    if strange := sorted(set(files) - set(classes)):
        raise WorkError(
            f"{folder.name}/ has the class '{strange[0]}', train/ does not: should have the same classes"
        )
    _refuse_empty({name: files.get(name, []) for name in classes}, f"{folder.name}/")
    return files


def _files_by_class(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise WorkError(
            f"the data set has no {folder.name}/ folder: should have {folder.name}/<class>/<picture>"
        )
    return {
        child.name: sorted(
            file for file in child.iterdir() if file.is_file() and not file.name.startswith(".")
        )
        for child in folder.iterdir()
        if child.is_dir() and not child.name.startswith(".")
    }


def _refuse_empty(files: dict[str, list[Path]], part: str) -> None:
    for name in sorted(files):
        if not files[name]:
            raise WorkError(f"the class '{name}' has no pictures in {part}: should have at least one")


def hold_out(
    files: Mapping[str, Sequence[Picture]],
    share: float,
    seed: int,
    group_of: Callable[[Picture], str | None] = lambda _: None,
) -> tuple[dict[str, list[Picture]], dict[str, list[Picture]]]:
    """The pictures of each class, sorted, as (train, validation).

    Every class gives the same share, so that both parts have the classes in the same proportion; as near as
    can be where pictures are the same, of whatever class: these have the same `group_of`, and are in one
    part. Raises WorkError for a class of one picture, or of one many times.
    """
    random = np.random.default_rng(seed)
    train, validation = {}, {}
    sides: dict[str, bool] = {}
    for name in sorted(files):
        count = len(files[name])
        if count < 2:
            raise WorkError(
                f"the class '{name}' has 1 picture: should have at least 2, one to train and one to validate"
            )
        held = min(max(round(count * share), 1), count - 1)
        shuffled = [files[name][index] for index in random.permutation(count)]
        out = _held_out([group_of(picture) for picture in shuffled], held, sides)
        if len(set(out)) < 2:
            raise WorkError(
                f"the class '{name}' has {count} pictures, but they are the same as each other or as those "
                "of other classes: should have at least 2 that differ, one to train and one to validate"
            )
        train[name] = [picture for picture, is_out in zip(shuffled, out, strict=True) if not is_out]
        validation[name] = [picture for picture, is_out in zip(shuffled, out, strict=True) if is_out]
    return train, validation


def _held_out(groups: Sequence[str | None], held: int, sides: dict[str, bool]) -> list[bool]:
    """Which pictures of a class to hold out, `held` of them or as near as can be.

    `groups` has for each the group of those that are the same; `sides` says which groups are held out
    already, and gets those that are decided here.
    """
    decided = dict(sides)
    sizes = Counter(group for group in groups if group is not None)
    room = held - sum(size for group, size in sizes.items() if decided.get(group))
    out = []
    for group in groups:
        if group is None:
            out.append(room > 0)
            room -= out[-1]
            continue
        if group not in decided:
            decided[group] = 0 < sizes[group] <= room
            room -= sizes[group] * decided[group]
        out.append(decided[group])
    # What is left are groups that are larger than the share: then it is the smallest of them.
    free = sorted((size, group) for group, size in sizes.items() if group not in sides)
    if not any(out) and free:
        decided[free[0][1]] = True
        out = [group is not None and decided[group] for group in groups]
    sides |= {group: decided[group] for _, group in free}
    return out


def mixed(
    files: Mapping[str, Sequence[Picture]], classes: Sequence[str], seed: int
) -> list[tuple[Picture, int]]:
    """All pictures, each with the index of its class, in an order that the seed decides."""
    # In the folders' order, `validation_steps` would look at the first classes only.
    examples = [(file, label) for label, name in enumerate(classes) for file in files.get(name, [])]
    return [examples[index] for index in np.random.default_rng(seed).permutation(len(examples))]
