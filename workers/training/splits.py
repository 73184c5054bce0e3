"""Which pictures of a data set are for training, for validation and for the test."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from jobyard.shared.errors import WorkError

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

    Pictures of `test/`, if there is one, have no part in the training at all.

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
        train, validation = hold_out(train, validation_split, seed)

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
    files: Mapping[str, Sequence[Picture]], share: float, seed: int
) -> tuple[dict[str, list[Picture]], dict[str, list[Picture]]]:
    """The pictures of each class, sorted, as (train, validation). Raises WorkError for a class of one.

    Every class gives the same share, so that both parts have the classes in the same proportion.
    """
    random = np.random.default_rng(seed)
    train, validation = {}, {}
    for name in sorted(files):
        count = len(files[name])
        if count < 2:
            raise WorkError(
                f"the class '{name}' has 1 picture: should have at least 2, one to train and one to validate"
            )
        held = min(max(round(count * share), 1), count - 1)
        shuffled = [files[name][index] for index in random.permutation(count)]
        train[name], validation[name] = shuffled[held:], shuffled[:held]
    return train, validation


def mixed(
    files: Mapping[str, Sequence[Picture]], classes: Sequence[str], seed: int
) -> list[tuple[Picture, int]]:
    """All pictures, each with the index of its class, in an order that the seed decides."""
    # In the folders' order, `validation_steps` would look at the first classes only.
    examples = [(file, label) for label, name in enumerate(classes) for file in files.get(name, [])]
    return [examples[index] for index in np.random.default_rng(seed).permutation(len(examples))]
