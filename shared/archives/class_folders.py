"""The classes of an archive: its folders, or the beginnings of the names of its files.

Where folders are called after the parts of a data set (see `splits`), each part has its own.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from jobyard.shared.archives.members import printable
from jobyard.shared.archives.splits import (
    SPLIT_NAMES,
    TEST,
    TRAIN,
    UNLABELLED,
    says_nothing,
    split_by_name,
    split_of,
    splits_among,
)
from jobyard.shared.archives.tree import Folder, Parts
from jobyard.shared.errors import WorkError

LAYOUTS = (
    "should have train/CLASS/ (and validation/CLASS/, test/CLASS/) folders, or a folder per class, "
    "or files like cat.0.jpg, or a table labels.csv beside the pictures"
)

# Of a file whose name has its class, as in Kaggle's data sets: "cat.0.jpg", "great dane.12.jpg". No other way
# of writing it, so that what a camera calls IMG_0001.jpg, or a clock 12.30.png, is never taken for a class.
FLAT = re.compile(r"(?P<class>[^\W\d_](?:[\w-]*|(?:[^\W\d]|[ -])*[^\W\d]))\.\d+\.\w+")

# Folders that are called so are rather parts of a data set than classes.
_NUMBERED = re.compile(r"(?:folds?|parts?|batch|chunk|shard|split|set|k)[\W_]*\d+", re.IGNORECASE)


@dataclass
class ClassFolders:
    """`places` has the split and the name of each class by the path of its folder.

    In the folders `flat` classes are the beginnings of names: each is as if it were a folder there. The
    folders `unlabelled` are parts that have no classes on purpose, as tests have none whose answers are
    secret. `parts` has the folder of each split, `root` is the
    one that all classes or parts lie in.
    """

    root: Parts
    places: dict[Parts, tuple[str, str]] = field(default_factory=dict)
    flat: set[Parts] = field(default_factory=set)
    unlabelled: set[Parts] = field(default_factory=set)
    parts: dict[str, Parts] = field(default_factory=dict)

    def class_path(self, path: Parts) -> Parts | None:
        """The folder of the class of the file at that path; None if it has no class."""
        folder = path[:-1]
        if folder in self.flat:
            name = flat_class(path[-1])
            return None if name is None else (*folder, name)
        return next((folder[:n] for n in range(len(folder), 0, -1) if folder[:n] in self.places), None)

    def is_unlabelled(self, path: Parts) -> bool:
        """Whether a file lies in a part without classes."""
        return any(path[: len(folder)] == folder for folder in self.unlabelled)


def find_classes(top: Folder) -> ClassFolders:
    """Find the classes, which `lay_out_folders` describes. Raises WorkError where they can't be known."""
    root, folder, splits = _find_root(top)
    found = ClassFolders(root)
    if splits:
        _add_splits(found, folder, splits)
        return found
    flat = _find_flat(root, folder)
    if flat is not None:
        found.flat.add(flat)
        inner = folder if flat == root else folder.folders[flat[-1]]
        found.places |= {(*flat, name): (TRAIN, name) for name in flat_classes(inner)}
        return found
    _refuse_lone_splits(root, folder)
    if not _add_splits_in_classes(found, folder):
        _refuse_parts(folder)
        found.places |= {(*root, name): (TRAIN, name) for name in folder.picture_folders()}
    return found


def flat_class(name: str) -> str | None:
    """The class that a file's name begins with; None if it begins with none."""
    if name.isascii():
        match = FLAT.fullmatch(name)
        return match["class"] if match else None
    name = unicodedata.normalize("NFC", name)
    # To regular expressions, marks of letters (as vowels in Hindi) are no part of words.
    letters = "".join("x" if unicodedata.category(letter).startswith("M") else letter for letter in name)
    match = FLAT.fullmatch(letters)
    return name[: match.end("class")] if match else None


def flat_classes(folder: Folder) -> list[str]:
    """The classes that the names of the files in a folder begin with."""
    return sorted({found for name in folder.files if (found := flat_class(name)) is not None})


def _find_root(top: Folder) -> tuple[Parts, Folder, dict[str, str]]:
    """The folder that holds the classes or the splits, and the splits by the names of their folders."""
    path: Parts = ()
    folder = top
    while True:
        inside = folder.picture_folders()
        splits = splits_among(inside)
        if any(split == TRAIN and _has_classes(inside[name]) for name, split in splits.items()):
            return path, folder, splits
        if len(inside) != 1:
            return path, folder, {}
        ((name, inner),) = inside.items()
        if not inner.picture_folders():
            return path, folder, {}
        path, folder = (*path, name), inner


def _has_classes(folder: Folder) -> bool:
    return bool(folder.picture_folders()) or len(flat_classes(folder)) > 1


def _find_flat(root: Parts, folder: Folder) -> Parts | None:
    """The one folder whose files have their classes in their names, two or more; None if there is none."""
    inside = folder.picture_folders()
    if len(flat_classes(folder)) > 1 and len(inside) <= 1:
        return root
    if len(inside) == 1:
        ((name, inner),) = inside.items()
        if len(flat_classes(inner)) > 1:
            return *root, name
    return None


def _add_splits(found: ClassFolders, folder: Folder, splits: dict[str, str]) -> None:
    """The classes of each part, of training first: what its classes are decides what others' may be."""
    order = {split: place for place, split in enumerate((*SPLIT_NAMES, UNLABELLED))}
    train: set[str] = set()
    for name, split in sorted(splits.items(), key=lambda item: (order[item[1]], item[0])):
        outer = (*found.root, name)
        path, inner = _unwrapped(outer, folder.folders[name], split)
        names = list(inner.picture_folders())
        is_flat = not names
        if is_flat:
            names = flat_classes(inner)
            if split != TRAIN and train.isdisjoint(names):
                names = []
        if split != TRAIN and len(names) == 1 and train.isdisjoint(names) and says_nothing(names[0]):
            names = []  # as test/unknown/, val/images/
        if split == UNLABELLED or (split == TEST and not names):
            found.unlabelled.add(outer)
        if not names or split == UNLABELLED:
            continue
        if split in found.parts:
            raise WorkError(
                f"{_shown(found.parts[split])} and {_shown(path)} are both for {split}; there should be one "
                "folder for each part"
            )
        found.parts[split] = path
        if is_flat:
            found.flat.add(path)
        if split == TRAIN:
            train |= set(names)
        found.places |= {(*path, one): (split, one) for one in names}


def _unwrapped(path: Parts, folder: Folder, split: str) -> tuple[Parts, Folder]:
    """Without folders that hold nothing but one that holds the classes, as in seg_train/seg_train/."""
    while not folder.pictures():
        inside = folder.picture_folders()
        if len(inside) != 1:
            break
        ((name, inner),) = inside.items()
        if not _has_classes(inner) and split_of(name) != split:
            break
        path, folder = (*path, name), inner
    return path, folder


def _add_splits_in_classes(found: ClassFolders, folder: Folder) -> bool:
    """Whether all classes have folders called after splits inside, as cats/train/; they are added then.

    Raises WorkError where some have.
    """
    inside = folder.picture_folders()
    splits = {name: splits_among(inner.picture_folders()) for name, inner in inside.items()}
    training = [name for name in splits if TRAIN in splits[name].values()]
    if not training:
        return False
    whole = [
        name
        for name in training
        if len(set(splits[name].values())) == len(inside[name].picture_folders())
        and not inside[name].pictures()
        and not any(part.picture_folders() for part in inside[name].picture_folders().values())
    ]
    if len(whole) < len(inside) or len(whole) < 2:
        outer = (*found.root, training[0])
        inner = next(part for part, split in splits[training[0]].items() if split == TRAIN)
        other = next(name for name in inside if name != training[0])
        raise WorkError(
            f"{_shown((*outer, inner))} lies beside {_shown((*found.root, other))}, so that the classes "
            f"can't be known: import {_shown(outer)} alone, or put train/CLASS/ at the top"
        )
    found.places |= {
        (*found.root, name, part): (split, name) for name in whole for part, split in splits[name].items()
    }
    return True


def _refuse_lone_splits(root: Parts, folder: Folder) -> None:
    """Folders called train and test, or validation and test, that have no classes, are no classes."""
    inside = folder.picture_folders()
    if mixed := split_by_name(inside):
        raise WorkError(
            f"the folders {_some(mixed)} say a class and a part of the data set each; there should be "
            "folders like train/CLASS/ and test/CLASS/"
        )
    splits = splits_among(inside)
    if len(inside) < 2 or len(splits) < len(inside) or len(set(splits.values())) < 2:
        return
    named = ", ".join(_shown((*root, name)) for name in inside)
    if TRAIN in splits.values():
        train = next(name for name, split in splits.items() if split == TRAIN)
        raise WorkError(
            f"{named} are parts of a data set, but nothing says the classes: {_shown((*root, train))} should "
            "have a folder per class, or files like cat.0.jpg, or there should be a table labels.csv"
        )
    raise WorkError(
        f"{named} are parts of a data set, but there is no train/ beside them; it should be there"
    )


def _refuse_parts(folder: Folder) -> None:
    """Numbered parts of one set, each with the same folders: these are the classes, or nothing is."""
    inside = folder.picture_folders()
    if len(inside) > 1 and all(
        _NUMBERED.fullmatch(name) and inner.picture_folders() and not inner.pictures()
        for name, inner in inside.items()
    ):
        first, *_ = inside.values()
        raise WorkError(
            f"the folders {_some(inside)} seem to be parts of one set, with the folders "
            f"{_some(first.picture_folders())} inside; put all pictures of a class into one folder"
        )


def _some(names: Iterable[str], most: int = 5) -> str:
    listed = list(names)
    shown = ", ".join(printable(name, 40) for name in listed[:most])
    return f"{shown} …" if len(listed) > most else shown


def _shown(path: Parts) -> str:
    return printable("/".join(path)) + "/"
