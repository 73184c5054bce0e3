"""The classes of an archive: its folders, or the beginnings of the names of its files.

Where folders are called after the parts of a data set (see `splits`), each part has its own.
"""

import re
import unicodedata
from dataclasses import dataclass, field

from jobyard.shared.archives.siblings import copies, refuse_lone_splits, refuse_parts, shown
from jobyard.shared.archives.splits import (
    SPLIT_NAMES,
    TEST,
    TRAIN,
    UNLABELLED,
    says_nothing,
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


@dataclass
class ClassFolders:
    """`places` has the split and the name of each class by the path of its folder.

    In the folders `flat` classes are the beginnings of names: each is as if it were a folder there. The
    folders `unlabelled` are parts that have no classes on purpose, as tests have none whose answers are
    secret; `again` has those that hold the classes once more. `parts` has the folder of each split, `root` is
    the one that all classes or parts lie in.
    """

    root: Parts
    places: dict[Parts, tuple[str, str]] = field(default_factory=dict)
    flat: set[Parts] = field(default_factory=set)
    unlabelled: set[Parts] = field(default_factory=set)
    again: set[Parts] = field(default_factory=set)
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
    root, folder, splits, unlabelled = _find_root(top)
    found = ClassFolders(root, unlabelled=unlabelled)
    if splits:
        _add_splits(found, folder, splits)
        return found
    flat = _find_flat(root, folder)
    if flat is not None:
        found.flat.add(flat)
        inner = folder if flat == root else folder.folders[flat[-1]]
        found.places |= {(*flat, name): (TRAIN, name) for name in flat_classes(inner)}
        return found
    refuse_lone_splits(root, folder)
    if not _add_splits_in_classes(found, folder):
        again = copies(root, folder, lambda inner: _unwrapped((), inner, TRAIN)[1])
        found.again |= {(*root, name) for name in again}
        names = [name for name in folder.picture_folders() if name not in again]
        refuse_parts({name: folder.folders[name] for name in names})
        found.places |= {(*root, name): (TRAIN, name) for name in names}
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


def _find_root(top: Folder) -> tuple[Parts, Folder, dict[str, str], set[Parts]]:
    """The folder that holds the classes or the splits, and the splits by the names of their folders.

    With the folders beside those on its path, which are of tests without classes.
    """
    path: Parts = ()
    folder = top
    unlabelled: set[Parts] = set()
    while True:
        if splits := _splits_to_train(folder):
            return path, folder, splits, unlabelled
        inside = folder.picture_folders()
        beside = [name for name, inner in inside.items() if len(inside) > 1 and _is_mere_test(name, inner)]
        if len(inside) - len(beside) != 1:
            return path, folder, {}, unlabelled
        ((name, inner),) = ((name, inner) for name, inner in inside.items() if name not in beside)
        if not inner.picture_folders() or (beside and not _splits_below(inner)):
            return path, folder, {}, unlabelled
        unlabelled |= {(*path, one) for one in beside}
        path, folder = (*path, name), inner


def _splits_to_train(folder: Folder) -> dict[str, str]:
    """The splits in a folder by the names of their folders; none where there are no classes to train on."""
    inside = folder.picture_folders()
    splits = splits_among(inside)
    is_set = any(split == TRAIN and _has_classes(inside[name]) for name, split in splits.items())
    return splits if is_set else {}


def _splits_below(folder: Folder) -> bool:
    """Whether a folder holds splits, or nothing but a folder that does."""
    while not _splits_to_train(folder):
        inside = folder.picture_folders()
        if len(inside) != 1:
            return False
        (folder,) = inside.values()
    return True


def _is_mere_test(name: str, folder: Folder) -> bool:
    """Whether a folder is called after a test, and has no classes, as test/test/1.jpg."""
    if split_of(name) not in (TEST, UNLABELLED):
        return False
    _, inner = _unwrapped((), folder, TEST)
    return not _has_classes(inner)


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
                f"{shown(found.parts[split])} and {shown(path)} are both for {split}; there should be one "
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
    for name, folder_of_set in inside.items():
        if not _splits_to_train(folder_of_set) and len(inside) > 1 and _splits_below(folder_of_set):
            other = next(one for one in inside if one != name)
            raise WorkError(
                f"{shown((*found.root, name))} holds a whole data set, and lies beside "
                f"{shown((*found.root, other))}, so that the classes can't be known: import "
                f"{shown((*found.root, name))} alone"
            )
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
            f"{shown((*outer, inner))} lies beside {shown((*found.root, other))}, so that the classes "
            f"can't be known: import {shown(outer)} alone, or put train/CLASS/ at the top"
        )
    found.places |= {
        (*found.root, name, part): (split, name) for name in whole for part, split in splits[name].items()
    }
    return True
