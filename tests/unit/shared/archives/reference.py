"""The layout of an archive, told again from sets of whole paths: slow, and easy to compare with the rules.

Of archives that are laid out; which are refused is no concern of it.
"""

from collections.abc import Iterable

from jobyard.shared.archives.class_folders import flat_class
from jobyard.shared.archives.file_kinds import is_document
from jobyard.shared.archives.members import LITTER
from jobyard.shared.archives.safe_names import safe_name
from jobyard.shared.archives.splits import TEST, TRAIN, UNLABELLED, says_nothing, split_of, splits_among

Path = tuple[str, ...]


class Names:
    """All files and folders of an archive that are meant, by their whole paths."""

    def __init__(self, files: Iterable[Path], folders: Iterable[Path]) -> None:
        self.files = {path for path in files if not _is_litter(path)}
        inside = {path for path in folders if not _is_litter(path)} | {path[:-1] for path in self.files}
        self.folders = {path[:depth] for path in inside for depth in range(1, len(path) + 1)}

    def inside(self, outer: Path) -> list[Path]:
        """The folders in a folder, but for those with documents only."""
        return sorted(path for path in self.folders if path[:-1] == outer and not self._documents_only(path))

    def named(self, folder: Path) -> set[str]:
        """The classes in the names of the files of a folder."""
        found = (flat_class(path[-1]) for path in self.files if path[:-1] == folder)
        return {name for name in found if name is not None}

    def has_classes(self, folder: Path) -> bool:
        return bool(self.inside(folder)) or len(self.named(folder)) > 1

    def has_train(self, folder: Path) -> bool:
        splits = splits_among(path[-1] for path in self.inside(folder))
        return any(splits.get(path[-1]) == TRAIN and self.has_classes(path) for path in self.inside(folder))

    def has_set(self, folder: Path) -> bool:
        inside = self.inside(folder)
        return self.has_train(folder) or (len(inside) == 1 and self.has_set(inside[0]))

    def has_pictures(self, folder: Path) -> bool:
        return any(path[:-1] == folder and not is_document(path[-1]) for path in self.files)

    def _documents_only(self, folder: Path) -> bool:
        inside = [path for path in self.files if len(path) > len(folder)]
        below = [path for path in inside if path[: len(folder)] == folder]
        return bool(below) and all(is_document(path[-1]) for path in below)


def naive_classes(files: Iterable[Path], folders: Iterable[Path]) -> dict[Path, tuple[str, str, str]]:
    """Of each file that has a class, its split, the class and its own safe name."""
    names = Names(files, folders)
    root: Path = ()
    while True:
        children = names.inside(root)
        splits = splits_among(path[-1] for path in children)
        split = names.has_train(root)
        tests = [path for path in children if len(children) > 1 and _is_mere_test(names, path)]
        others = [path for path in children if path not in tests]
        if split or len(others) != 1 or not names.inside(others[0]):
            break
        if tests and not names.has_set(others[0]):
            break
        (root,) = others
    if split:
        by_folder, flat = _of_splits(names, root, splits)
    else:
        by_folder, flat = _of_classes(names, root, children)
    found = {}
    for file in names.files:
        name = flat_class(file[-1])
        if file[:-1] in flat:
            place = None if name is None else (flat[file[:-1]], name)
        else:
            place = next((by_folder[path] for path in by_folder if file[:-1][: len(path)] == path), None)
        if place is not None:
            found[file] = (place[0], safe_name(place[1]), safe_name(file[-1]))
    return found


Found = tuple[dict[Path, tuple[str, str]], dict[Path, str]]


def _of_splits(names: Names, root: Path, splits: dict[str, str]) -> Found:
    by_folder: dict[Path, tuple[str, str]] = {}
    flat: dict[Path, str] = {}
    train: set[str] = set()
    for name, split in sorted(splits.items(), key=lambda item: item[1] != TRAIN):
        part: Path = (*root, name)
        part = _unwrapped(names, part, split)
        inside = names.inside(part)
        is_nothing = len(inside) == 1 and inside[0][-1] not in train and says_nothing(inside[0][-1])
        if split == UNLABELLED or (split != TRAIN and is_nothing):
            continue
        if names.inside(part):
            by_folder |= {path: (split, path[-1]) for path in names.inside(part)}
            train |= {path[-1] for path in names.inside(part)} if split == TRAIN else set()
        elif split == TRAIN or train & names.named(part):
            flat[part] = split
            train |= names.named(part) if split == TRAIN else set()
    return by_folder, flat


def _of_classes(names: Names, root: Path, children: list[Path]) -> Found:
    for folder in [root, *children] if len(children) <= 1 else []:
        if len(names.named(folder)) > 1:
            return {}, {folder: TRAIN}
    in_classes = {
        path: (splits_among(part[-1] for part in names.inside(child))[path[-1]], child[-1])
        for child in children
        for path in names.inside(child)
        if path[-1] in splits_among(part[-1] for part in names.inside(child))
    }
    if TRAIN in {split for split, _ in in_classes.values()}:
        return in_classes, {}
    again = [child for child in children if _has_all_again(names, child, children)]
    return {path: (TRAIN, path[-1]) for path in children if len(again) != 1 or path not in again}, {}


def _has_all_again(names: Names, child: Path, children: list[Path]) -> bool:
    beside = {path[-1] for path in children if path != child}
    return len(beside) > 1 and beside <= {path[-1] for path in names.inside(_unwrapped(names, child, TRAIN))}


def _is_mere_test(names: Names, folder: Path) -> bool:
    is_test = split_of(folder[-1]) in (TEST, UNLABELLED)
    return is_test and not names.has_classes(_unwrapped(names, folder, TEST))


def _unwrapped(names: Names, part: Path, split: str) -> Path:
    while len(names.inside(part)) == 1 and not names.has_pictures(part):
        (inner,) = names.inside(part)
        if not names.has_classes(inner) and split_of(inner[-1]) != split:
            break
        part = inner
    return part


def _is_litter(path: Path) -> bool:
    return any(name.startswith(".") or name.casefold() in LITTER for name in path)
