"""Which class and split each file of an archive belongs to, by the folders that it lies in."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from shared.archives.members import Member, printable
from shared.errors import WorkError

TRAIN = "train"
VALIDATION = "validation"
SPLITS = {"train": TRAIN, "validation": VALIDATION, "val": VALIDATION, "valid": VALIDATION}

LAYOUTS = "should have train/CLASS/ (and validation/CLASS/) folders, or a folder per class"

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
    """Find the class folders: at the top, or inside outer folders that hold nothing else.

    Hidden files and what systems leave behind (.DS_Store, __MACOSX, Thumbs.db) are passed over without
    a word; other files that are not directly in a class folder are `misplaced`.

    Raises WorkError if there are no class folders, only one class, an empty one, classes that differ
    between train and validation, or two whose safe names are the same.
    """
    files: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = set()
    misplaced = []
    for member in members:
        if any(part.startswith(".") or part.casefold() in LITTER for part in member.parts):
            continue
        parts = member.parts
        if not member.folder:
            if parts in files:
                misplaced.append((member.name, "twice in the archive"))
            files.add(parts)
            parts = parts[:-1]
        folders.update(parts[:depth] for depth in range(1, len(parts) + 1))
    if not files:
        raise WorkError(f"there are no pictures; the archive {LAYOUTS}")

    root, split = _find_root(folders)
    classes = _find_classes(folders, root, split)
    _check_classes(classes)

    places = {}
    taken: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for parts in sorted(files):
        place = classes.get(parts[:-1])
        if place is None:
            misplaced.append((printable("/".join(parts)), "not in a class folder"))
        else:
            places[parts] = Place(*place, _unique(safe_name(parts[-1]), taken[place]))
    names: dict[str, list[str]] = defaultdict(list)
    for split_name, class_name in sorted(classes.values()):
        if not taken[split_name, class_name]:
            raise WorkError(f"the class {class_name!r} is empty in {split_name}; it should have pictures")
        names[split_name].append(class_name)
    return Layout(places, misplaced, dict(names))


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
                "their names should differ by more than case and special characters"
            )
    train, validation = (
        {name for split, name in classes.values() if split == wanted} for wanted in (TRAIN, VALIDATION)
    )
    if len(train) < 2:
        raise WorkError(f"there is only one class, {_list(train)}; there should be two or more: {LAYOUTS}")
    if validation and validation != train:
        raise WorkError(
            f"validation should have the classes of train ({_list(train)}), but has {_list(validation)}"
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
