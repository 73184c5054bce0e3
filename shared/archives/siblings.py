"""Folders beside each other that are rather parts or copies of one set than classes."""

import re
from collections.abc import Callable, Iterable

from jobyard.shared.archives.members import printable
from jobyard.shared.archives.splits import TRAIN, split_by_name, splits_among
from jobyard.shared.archives.tree import Folder, Parts
from jobyard.shared.errors import WorkError

# Folders that are called so, and hold the same folders, are rather parts of a data set than classes.
_NUMBERED = re.compile(r"(?:folds?|parts?|batch|chunk|shard|split|set|k)[\W_]*\d+", re.IGNORECASE)
_VARIANT = re.compile(
    r"(?:19|20)\d\d|orig(?:inals?)?|raw|aug(?:mented)?|processed|preprocessed|resized|cropped|cleaned"
    r"|colou?r|gr[ae]y(?:scale)?|rgb|segmented",
    re.IGNORECASE,
)
# Whatever they hold: "images_001", "HAM10000_images_part_1".
_OF_PICTURES = re.compile(
    r"(?:.*[\W_])?(?:images?|imgs?|pictures|photos|batch|chunk|shard)(?:[\W_]*part)?[\W_]*\d+", re.IGNORECASE
)
# So many times as many folders as they are in folders that hold the same ones are rather the classes.
MANY = 3


def refuse_lone_splits(root: Parts, folder: Folder) -> None:
    """Folders called train and test, or validation and test, that have no classes, are no classes."""
    inside = folder.picture_folders()
    if mixed := split_by_name(inside):
        raise WorkError(
            f"the folders {some(mixed)} say a class and a part of the data set each; there should be "
            "folders like train/CLASS/ and test/CLASS/"
        )
    splits = splits_among(inside)
    if len(inside) < 2 or len(splits) < len(inside) or len(set(splits.values())) < 2:
        return
    named = ", ".join(shown((*root, name)) for name in inside)
    if TRAIN in splits.values():
        train = next(name for name, split in splits.items() if split == TRAIN)
        raise WorkError(
            f"{named} are parts of a data set, but nothing says the classes: {shown((*root, train))} should "
            "have a folder per class, or files like cat.0.jpg, or there should be a table labels.csv"
        )
    raise WorkError(
        f"{named} are parts of a data set, but there is no train/ beside them; it should be there"
    )


def refuse_parts(inside: dict[str, Folder]) -> None:
    """Parts of one set, as numbers and years say, or the same folders in each, which may be the classes."""
    if len(inside) < 2:
        return
    first, *others = inside.values()
    names = set(first.picture_folders())
    if all(map(_OF_PICTURES.fullmatch, inside)):
        raise WorkError(
            f"the folders {some(inside)} seem to be parts of one set, not classes: there should be a folder "
            "per class, or a table labels.csv that says the classes"
        )
    if any(not inner.picture_folders() or inner.pictures() for inner in inside.values()):
        return
    is_said = all(_NUMBERED.fullmatch(name) or _VARIANT.fullmatch(name) for name in inside)
    is_same = all(set(inner.picture_folders()) == names for inner in others)
    if is_said or (is_same and len(names) >= MANY * len(inside) and not all(map(str.isdecimal, names))):
        raise WorkError(
            f"the folders {some(inside)} seem to be parts of one set, with the folders "
            f"{some(first.picture_folders())} inside; put all pictures of a class into "
            "one folder, or import one of the parts"
        )


def copies(root: Parts, folder: Folder, deepest: Callable[[Folder], Folder]) -> list[str]:
    """The folder that holds all those beside it once more, as archives that were packed twice have.

    `deepest` is a folder without those that hold nothing but one. Raises WorkError for a folder that holds
    some of those beside it.
    """
    inside = folder.picture_folders()
    found = []
    for name, inner in inside.items():
        same = [one for one in deepest(inner).picture_folders() if one in inside and one != name]
        if len(same) > 1 and len(same) == len(inside) - 1:
            found.append(name)
        elif len(same) > 1:
            raise WorkError(
                f"{shown((*root, name))} holds folders that are called like those beside it "
                f"({some(same)}): move their pictures there, or remove it"
            )
    return found if len(found) == 1 else []


def some(names: Iterable[str], most: int = 5) -> str:
    """The first of some names, for people."""
    listed = list(names)
    first = ", ".join(printable(name, 40) for name in listed[:most])
    return f"{first} …" if len(listed) > most else first


def shown(path: Parts) -> str:
    """A folder's path, for people."""
    return printable("/".join(path)) + "/"
