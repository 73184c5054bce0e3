"""Which class and split each file of an archive belongs to, by the folders that it lies in."""

import re
import unicodedata
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from jobyard.shared.archives.members import Member, is_meant, printable
from jobyard.shared.archives.tree import Folder, Parts, Tree
from jobyard.shared.errors import WorkError

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
SPLITS = {"train": TRAIN, "validation": VALIDATION, "val": VALIDATION, "valid": VALIDATION, "test": TEST}

LAYOUTS = (
    "should have train/CLASS/ (and validation/CLASS/, test/CLASS/) folders, or a folder per class, "
    "or one folder of files like cat.0.jpg, or a table labels.csv beside the pictures"
)

# Of a file whose name has its class, as in Kaggle's data sets: "cat.0.jpg". No other way of writing it,
# so that what a camera calls IMG_0001.jpg is never taken for a class.
FLAT = re.compile(r"(?P<class>[^\W\d_][\w-]*)\.\d+\.\w+")

# Files without a class that are listed; the rest is only counted.
MAX_LISTED = 1_000

# Of a safe name: with the split and the class well below what every file system takes.
MAX_NAME_BYTES = 150


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file goes: `split`/`class_name`/`file_name`, all safe."""

    split: str
    class_name: str
    file_name: str

    @property
    def path(self) -> str:
        return f"{self.split}/{self.class_name}/{self.file_name}"


@dataclass
class Layout(ABC):
    """Which files have a place, and the `classes` of each split.

    `pictures` counts the files that have one. `misplaced` has the first of the others, with the reason;
    `misplaced_count` counts them all.
    """

    classes: dict[str, list[str]]
    pictures: int
    misplaced: list[tuple[str, str]]
    misplaced_count: int

    @abstractmethod
    def take(self, path: Parts) -> Place | None:
        """The place of a file, once: another file of the same path has none."""


@dataclass
class FolderLayout(Layout):
    """Classes are folders, or the beginnings of names in one folder."""

    _top: Folder
    _places: dict[Parts, tuple[str, str]]
    _flat: Parts | None

    def take(self, path: Parts) -> Place | None:
        folder = self._top.find(path[:-1])
        place = self.class_of(path)
        name = folder.files.pop(path[-1], None) if folder is not None and place is not None else None
        return None if place is None or name is None else Place(*place, name)

    def class_of(self, path: Parts) -> tuple[str, str] | None:
        """The split and the class of a file."""
        return self._places.get(_class_path(path, self._flat))


@dataclass
class Misplaced:
    """Files that have no class: the first are listed, all are counted."""

    listed: list[tuple[str, str]] = field(default_factory=list)
    count: int = 0

    def add(self, path: Parts, why: str) -> None:
        self.count += 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append((printable("/".join(path)), why))

    def copy(self) -> "Misplaced":
        return Misplaced(self.listed.copy(), self.count)


@dataclass(frozen=True)
class Gathered:
    """The files of an archive by their paths; those that come twice are `misplaced`."""

    top: Folder
    misplaced: Misplaced


def gather(members: Iterable[Member]) -> Gathered:
    """The files, and the folders that they or others lie in.

    Hidden files and what systems leave behind (.DS_Store, __MACOSX, Thumbs.db) are skipped silently. Raises
    WorkError for too many folders.
    """
    tree, misplaced = Tree(), Misplaced()
    for member in members:
        if not is_meant(member.parts):
            continue
        if member.folder:
            tree.add_folder(member.parts)
        elif not tree.add_file(member.parts):
            misplaced.add(member.parts, "twice in the archive")
    return Gathered(tree.top, misplaced)


def lay_out_folders(gathered: Gathered) -> FolderLayout:
    """Find the classes: folders at the top, or inside outer folders that hold nothing else.

    Where one of the folders is `train` and has folders inside, these are the classes, and those in
    `validation` (or `val`, `valid`) and `test` beside it. Else every folder is a class, whatever it is
    called. Where there is one folder only, or none, and its files are called CLASS.NUMBER.SUFFIX (two
    classes or more), then a file's class is what stands before its first dot.

    Files that have no class are `misplaced`.

    Raises WorkError if there are no classes, only one, an empty one, classes that differ between train
    and validation or test, or two whose safe names are the same.
    """
    top, misplaced = gathered.top, gathered.misplaced.copy()
    if next(top.each_file(), None) is None:
        raise WorkError(f"there are no pictures; the archive {LAYOUTS}")

    root, split = _find_root(top)
    flat = None if split else _find_flat(top, root)
    if flat is None:
        classes = _find_classes(top, root, split)
        wrong = "not in a class folder"
    else:
        classes = {(*flat, name): (TRAIN, safe_name(name)) for name in sorted(_flat_classes(top, flat))}
        wrong = "should be called CLASS.NUMBER.SUFFIX, as cat.0.jpg, to have a class"
    check_classes(classes)

    taken: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for path, folder, name in top.each_file():
        place = classes.get(_class_path((*path, name), flat))
        if place is None:
            misplaced.add((*path, name), wrong)
        else:
            folder.files[name] = unique(safe_name(name), taken[place])
    names: dict[str, list[str]] = defaultdict(list)
    for split_name, class_name in sorted(classes.values()):
        if not taken[split_name, class_name]:
            raise WorkError(f"the class {class_name!r} is empty in {split_name}; it should have pictures")
        names[split_name].append(class_name)
    pictures = sum(map(len, taken.values()))
    return FolderLayout(dict(names), pictures, misplaced.listed, misplaced.count, top, classes, flat)


def safe_name(name: str) -> str:
    """`name` as one harmless path component on every system: never empty, hidden, '.' or '..'."""
    plain = unicodedata.normalize("NFC", name)
    plain = "".join(
        "_" if character in '<>:"/\\|?*' or not character.isprintable() else character for character in plain
    )
    stem, suffix = PurePosixPath(plain).stem, PurePosixPath(plain).suffix
    if len(plain.encode()) > MAX_NAME_BYTES:
        suffix = suffix if len(suffix.encode()) <= 20 else ""
        room = MAX_NAME_BYTES - len(suffix.encode())
        plain = stem.encode()[:room].decode(errors="ignore") + suffix
    return plain.strip(". ") or "_"


def _find_root(top: Folder) -> tuple[Parts, bool]:
    """The folder that holds the class folders, or train and validation; and which of the two."""
    path: Parts = ()
    folder = top
    while not _has_train(folder):
        if len(folder.folders) != 1:
            return path, False
        ((name, inner),) = folder.folders.items()
        if not inner.folders:
            return path, False
        path, folder = (*path, name), inner
    return path, True


def _has_train(folder: Folder) -> bool:
    return any(
        SPLITS.get(name.casefold()) == TRAIN and inner.folders for name, inner in folder.folders.items()
    )


def _find_flat(top: Folder, root: Parts) -> Parts | None:
    """The one folder whose files have their classes in their names, two or more; None if there is none."""
    inside = [(*root, name) for name in _folder(top, root).folders]
    candidates = [root, *inside] if len(inside) <= 1 else []
    return next((path for path in candidates if len(_flat_classes(top, path)) > 1), None)


def _flat_classes(top: Folder, path: Parts) -> set[str]:
    return {match["class"] for match in map(FLAT.fullmatch, _folder(top, path).files) if match}


def _class_path(path: Parts, flat: Parts | None) -> Parts:
    """The folder of a file's class; of files that are all in `flat`, as if the class were a folder in it."""
    if flat is None:
        return path[:-1]
    match = FLAT.fullmatch(path[-1]) if path[:-1] == flat else None
    return (*flat, match["class"]) if match else ()


def _find_classes(top: Folder, root: Parts, split: bool) -> dict[Parts, tuple[str, str]]:
    """The path of each class folder, with its split and safe name."""
    inside = _folder(top, root).folders
    if not split:
        return {(*root, name): (TRAIN, safe_name(name)) for name in sorted(inside)}
    return {
        (*root, outer, name): (SPLITS[outer.casefold()], safe_name(name))
        for outer in sorted(inside)
        if outer.casefold() in SPLITS
        for name in sorted(inside[outer].folders)
    }


def _folder(top: Folder, path: Parts) -> Folder:
    found = top.find(path)
    assert found is not None  # noqa: S101 (the path was found in the tree)
    return found


def check_classes(classes: dict[Parts, tuple[str, str]]) -> None:
    """`classes` has each one's split and safe name by its path. Raises WorkError as `lay_out_folders`."""
    if not classes:
        raise WorkError(f"there are no class folders; the archive {LAYOUTS}")
    first: dict[tuple[str, str], Parts] = {}
    for folder, (split, name) in classes.items():
        other = first.setdefault((split, name.casefold()), folder)
        if other != folder:
            raise WorkError(
                f"{printable('/'.join(other))!r} and {printable('/'.join(folder))!r} would be one class; "
                "their names should differ in more than case and punctuation"
            )
    train, *judging = (
        {name for split, name in classes.values() if split == wanted} for wanted in (TRAIN, VALIDATION, TEST)
    )
    if len(train) < 2:
        raise WorkError(f"there is only one class, {_list(train)}; there should be two or more: {LAYOUTS}")
    for split, names in zip((VALIDATION, TEST), judging, strict=True):
        if names and names != train:
            raise WorkError(
                f"{split} should have the classes of train ({_list(train)}), but has {_list(names)}"
            )


def _list(names: set[str], most: int = 10) -> str:
    shown = ", ".join(repr(name) for name in sorted(names)[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def unique(name: str, taken: dict[str, int]) -> str:
    """`name`, or `stem-2.suffix` and so on where it is taken; case is no difference on some systems.

    `taken` has each name, and how many files wanted it.
    """
    path = PurePosixPath(name)
    unique = name
    while unique.casefold() in taken:
        taken[name.casefold()] += 1
        unique = f"{path.stem}-{taken[name.casefold()]}{path.suffix}"
    taken[unique.casefold()] = 1
    return unique
