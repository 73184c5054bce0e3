"""The layout of an archive, told again from sets of whole paths: slow, and easy to compare with the rules."""

from collections.abc import Iterable

from jobyard.shared.archives.layout import FLAT, SPLITS, TRAIN, safe_name
from jobyard.shared.archives.members import LITTER

Path = tuple[str, ...]


def naive_classes(files: Iterable[Path], folders: Iterable[Path]) -> dict[Path, tuple[str, str, str]]:
    """Of each file that has a class, its split, the class and its own safe name."""
    kept = {path for path in files if not _is_litter(path)}
    inside = {path for path in folders if not _is_litter(path)} | {path[:-1] for path in kept}
    every = {path[:depth] for path in inside for depth in range(1, len(path) + 1)}
    parents = {path[:-1] for path in every}

    root: Path = ()
    while True:
        children = sorted(path for path in every if path[:-1] == root)
        split = any(SPLITS.get(path[-1].casefold()) == TRAIN and path in parents for path in children)
        if split or len(children) != 1 or children[0] not in parents:
            break
        root = children[0]

    flat = next(
        (
            path
            for path in ([root, *children] if len(children) <= 1 and not split else [])
            if len({_named(file) for file in kept if file[:-1] == path} - {None}) > 1
        ),
        None,
    )
    found = {}
    for file in kept:
        if flat is not None:
            name = _named(file) if file[:-1] == flat else None
            part: str | None = TRAIN
        elif split:
            is_class = len(file) == len(root) + 3 and file[: len(root)] == root
            name = file[-2] if is_class else None
            part = SPLITS.get(file[len(root)].casefold()) if is_class else None
        else:
            name = file[-2] if len(file) == len(root) + 2 and file[: len(root)] == root else None
            part = TRAIN
        if name is not None and part is not None:
            found[file] = (part, safe_name(name), safe_name(file[-1]))
    return found


def _named(file: Path) -> str | None:
    match = FLAT.fullmatch(file[-1])
    return match["class"] if match else None


def _is_litter(path: Path) -> bool:
    return any(name.startswith(".") or name.casefold() in LITTER for name in path)
