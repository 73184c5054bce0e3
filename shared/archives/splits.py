"""The parts of a data set, and what people call their folders: "Training", "train_set", "seg_test", "val"."""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
# In the order in which they come in a data set.
SPLIT_NAMES = (TRAIN, VALIDATION, TEST)
# Of a folder that says that its pictures have no classes.
UNLABELLED = "unlabelled"

SPLITS = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validate": VALIDATION,
    "dev": VALIDATION,
    "eval": VALIDATION,
    "evaluation": VALIDATION,
    "test": TEST,
    "tests": TEST,
    "testing": TEST,
}
_WITHOUT_CLASSES = dict.fromkeys(
    ("pred", "predict", "prediction", "predictions", "unlabeled", "unlabelled"), UNLABELLED
)
_WORDS = SPLITS | _WITHOUT_CLASSES
# Of what a folder may be besides: "train_set", "images_val", "seg_test".
_BESIDES = frozenset(
    {"set", "sets", "data", "dataset", "images", "image", "imgs", "img", "pictures", "pics", "photos"}
    | {"split", "folder", "seg", "samples"}
)
_NO_CLASS = frozenset({"unknown", "all", "jpg", "jpeg", "png"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|[^\W\d_]+")


def split_of(name: str) -> str | None:
    """The split that a folder's name says, or UNLABELLED; None if it is the name of anything."""
    split, others = _read(name)
    return None if others else split


def split_said(name: str) -> str | None:
    """The split that a name says, whatever else it says; None if it says none."""
    split, _ = _read(name)
    return split if split in SPLIT_NAMES else None


def says_nothing(name: str) -> bool:
    """Whether a folder's name is that of any pictures, or of a part: "images", "unknown", "test"."""
    split, others = _read(name)
    return split is not None or all(word in _NO_CLASS for word in others)


def splits_among(names: Iterable[str]) -> dict[str, str]:
    """Those of the names of folders beside each other that say a split, with it.

    Also where all have the same other words, as "pets_train" and "pets_test" have.
    """
    alike = _alike(names)
    together = _together(alike)
    return alike.get((), {}) | (together[0] if len(together) == 1 else {})


def split_by_name(names: Iterable[str]) -> list[str]:
    """Those of the names that say a class and a split: "cats_train", "cats_test", "dogs_train", …"""
    together = _together(_alike(names))
    return [name for group in together for name in group] if len(together) > 1 else []


def _alike(names: Iterable[str]) -> dict[tuple[str, ...], dict[str, str]]:
    """The names that say a split, with it, by their other words."""
    found: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in sorted(names):
        split, others = _read(name)
        if split is not None:
            found[others][name] = split
    return found


def _together(alike: dict[tuple[str, ...], dict[str, str]]) -> list[dict[str, str]]:
    """Those with other words that are for training and for something else."""
    return [group for others, group in alike.items() if others and {TRAIN} < set(group.values())]


# Half a million files may lie in a few folders, whose names are read for each of them.
@lru_cache(maxsize=4_096)
def _read(name: str) -> tuple[str | None, tuple[str, ...]]:
    """The split that one of the words says, and the words that say something else."""
    words = [found.casefold() for found in _WORD.findall(name)]
    splits = {split for word in words if (split := _split_of_word(word)) is not None}
    others = tuple(word for word in words if _split_of_word(word) is None and word not in _BESIDES)
    return (splits.pop() if len(splits) == 1 else None), others


def _split_of_word(word: str) -> str | None:
    """Of "train", and of "trainset" too."""
    # Of "traindataset" both "dataset" and "set" are endings, and with one of them only "train" is left.
    stems = (word, *(word.removesuffix(end) for end in _BESIDES))
    return next((_WORDS[stem] for stem in stems if stem in _WORDS), None)
