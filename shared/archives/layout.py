"""Which class and split each file of an archive belongs to, by the folders that it lies in."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from jobyard.shared.archives.members import Member, printable
from jobyard.shared.errors import WorkError

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
SPLITS = {"train": TRAIN, "validation": VALIDATION, "val": VALIDATION, "valid": VALIDATION, "test": TEST}

LAYOUTS = (
    "should have train/CLASS/ (and validation/CLASS/, test/CLASS/) folders, or a folder per class, "
    "or one folder of files like cat.0.jpg"
)

# Of a file whose name has its class, as in Kaggle's data sets: "cat.0.jpg". No other way of writing it,
# so that what a camera calls IMG_0001.jpg is never taken for a class.
FLAT = re.compile(r"(?P<class>[^\W\d_][\w-]*)\.\d+\.\w+")

# What systems leave in folders and archives, besides names that begin with a dot.
LITTER = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "@eadir"}

# Of a safe name: with the split and the class well below what every file system takes.
MAX_NAME_BYTES = 150


@dataclass(frozen=True)
class Place:
    """Where a file goes: `split`/`class_name`/`file_name`, all safe."""

    split: str
    class_name: str
    file_name: str

    @property
    def path(self) -> str:
        return f"{self.split}/{self.class_name}/{self.file_name}"


@dataclass(frozen=True)
class Layout:
    """`places` by the member's path; `misplaced` files with the reason; the `classes` of each split."""

    places: dict[tuple[str, ...], Place]
    misplaced: list[tuple[str, str]]
    classes: dict[str, list[str]]


def lay_out(members: Iterable[Member]) -> Layout:
    """Find the classes: folders at the top, or inside outer folders that hold nothing else.

    Where one of the folders is `train` and has folders inside, these are the classes, and those in
    `validation` (or `val`, `valid`) and `test` beside it. Else every folder is a class, whatever it is
    called. Where there is one folder only, or none, and its files are called CLASS.NUMBER.SUFFIX (two
    classes or more), then a file's class is what stands before its first dot.

    Hidden files and what systems leave behind (.DS_Store, __MACOSX, Thumbs.db) are skipped
    silently; other files that have no class are `misplaced`.

    Raises WorkError if there are no classes, only one, an empty one, classes that differ between train
    and validation or test, or two whose safe names are the same.
    """
    files, folders, misplaced = _gather(members)
    if not files:
        raise WorkError(f"there are no pictures; the archive {LAYOUTS}")

    root, split = _find_root(folders)
    flat = None if split else _find_flat(files, folders, root)
    if flat is None:
        classes = _find_classes(folders, root, split)
        wrong = "not in a class folder"
    else:
        classes = {(*flat, name): (TRAIN, safe_name(name)) for name in sorted(_flat_classes(files, flat))}
        wrong = "should be called CLASS.NUMBER.SUFFIX, as cat.0.jpg, to have a class"
    _check_classes(classes)

    places = {}
    taken: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for parts in sorted(files):
        place = classes.get(parts[:-1] if flat is None else _flat_class(parts, flat))
        if place is None:
            misplaced.append((printable("/".join(parts)), wrong))
        else:
            places[parts] = Place(*place, _unique(safe_name(parts[-1]), taken[place]))
    names: dict[str, list[str]] = defaultdict(list)
    for split_name, class_name in sorted(classes.values()):
        if not taken[split_name, class_name]:
            raise WorkError(f"the class {class_name!r} is empty in {split_name}; it should have pictures")
        names[split_name].append(class_name)
    return Layout(places, misplaced, dict(names))


def _gather(
    members: Iterable[Member],
) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]], list[tuple[str, str]]]:
    """The files, the folders that they or others lie in, and files that come twice."""
    files: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = set()
    twice = []
    for member in members:
        if any(part.startswith(".") or part.casefold() in LITTER for part in member.parts):
            continue
        parts = member.parts
        if not member.folder:
            if parts in files:
                twice.append((member.name, "twice in the archive"))
            files.add(parts)
            parts = parts[:-1]
        folders.update(parts[:depth] for depth in range(1, len(parts) + 1))
    return files, folders, twice


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


def _find_root(folders: set[tuple[str, ...]]) -> tuple[tuple[str, ...], bool]:
    """The folder that holds the class folders, or train and validation; and which of the two."""
    parents = {folder[:-1] for folder in folders}  # have folders inside
    root: tuple[str, ...] = ()
    while True:
        inside = [folder for folder in folders if folder[:-1] == root]
        if any(SPLITS.get(folder[-1].casefold()) == TRAIN and folder in parents for folder in inside):
            return root, True
        if len(inside) != 1 or inside[0] not in parents:
            return root, False
        root = inside[0]


def _find_flat(
    files: set[tuple[str, ...]], folders: set[tuple[str, ...]], root: tuple[str, ...]
) -> tuple[str, ...] | None:
    """The one folder whose files have their classes in their names, two or more; None if there is none."""
    inside = [folder for folder in folders if folder[:-1] == root]
    candidates = [root, *inside] if len(inside) <= 1 else []
    return next((folder for folder in candidates if len(_flat_classes(files, folder)) > 1), None)


def _flat_classes(files: set[tuple[str, ...]], folder: tuple[str, ...]) -> set[str]:
    return {path[-1] for path in (_flat_class(parts, folder) for parts in files) if path}


def _flat_class(parts: tuple[str, ...], folder: tuple[str, ...]) -> tuple[str, ...]:
    """The file's class, as if it were a folder in `folder`; () if it has none."""
    match = FLAT.fullmatch(parts[-1]) if parts[:-1] == folder else None
    return (*folder, match["class"]) if match else ()


def _find_classes(
    folders: set[tuple[str, ...]], root: tuple[str, ...], split: bool
) -> dict[tuple[str, ...], tuple[str, str]]:
    """The path of each class folder, with its split and safe name."""
    classes = {}
    depth = len(root) + (2 if split else 1)
    for folder in sorted(folders):
        if len(folder) != depth or folder[: len(root)] != root:
            continue
        name = SPLITS.get(folder[len(root)].casefold()) if split else TRAIN
        if name is not None:
            classes[folder] = (name, safe_name(folder[-1]))
    return classes


def _check_classes(classes: dict[tuple[str, ...], tuple[str, str]]) -> None:
    if not classes:
        raise WorkError(f"there are no class folders; the archive {LAYOUTS}")
    first: dict[tuple[str, str], tuple[str, ...]] = {}
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


def _unique(name: str, taken: dict[str, int]) -> str:
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
