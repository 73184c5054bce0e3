"""Folders beside those of the pictures that hold other pictures: masks, annotations, a document's figures."""

import re

from jobyard.shared.archives.splits import says_nothing
from jobyard.shared.archives.tree import Folder, Parts

# Beside a folder of all pictures, as images/.
_OF_PICTURES = frozenset(
    {
        "mask",
        "masks",
        "label",
        "labels",
        "annotation",
        "annotations",
        "trimap",
        "trimaps",
        "gt",
        "groundtruth",
    }
    | {"segmentation", "segmentations", "segmentationclass", "segmentationobject", "bbox", "bboxes"}
    | {"boundingboxes", "keypoints", "heatmaps", "thumbs", "thumbnails", "previews"}
)
# Beside any folder that the classes lie in.
_OF_DOCUMENTS = frozenset(
    {"doc", "docs", "documentation", "asset", "assets", "figure", "figures", "figs", "screenshots", "demo"}
    | {"demos", "example", "examples", "scripts", "notebooks", "code", "src", "paper", "papers"}
)


def set_aside(top: Folder) -> bool:
    """Mark the folders that are asides; `Folder.picture_folders` is without them from then on.

    Returns whether there are such.

    One is where it is called so, and there is but one other folder beside it: for masks one that is called
    after pictures, as images/; for figures one that holds folders, where the aside has none, as pets/cats/
    beside docs/ (while photos/ beside screenshots/ are classes).
    """
    waiting: list[Folder] = [top]
    found = False
    while waiting:
        folder = waiting.pop()
        inside = folder.picture_folders()
        waiting += inside.values()
        asides = {name: _plain(name) for name in inside if _plain(name) in _OF_PICTURES | _OF_DOCUMENTS}
        others = [name for name in inside if name not in asides]
        if not asides or len(others) != 1:
            continue
        (other,) = others
        of_one_set = len(inside[other].picture_folders()) > 1 and not inside[other].pictures()
        for name, plain in asides.items():
            inner = inside[name]
            if plain in _OF_PICTURES:
                inner.is_aside = says_nothing(other)
            else:
                inner.is_aside = of_one_set and not inner.picture_folders()
            found = found or inner.is_aside
    return found


def lies_aside(top: Folder, path: Parts) -> bool:
    """Whether one of the folders on a file's path is an aside."""
    folder: Folder | None = top
    for name in path[:-1]:
        folder = None if folder is None else folder.folders.get(name)
        if folder is not None and folder.is_aside:
            return True
    return False


def _plain(name: str) -> str:
    return re.sub(r"[\W_\d]+", "", name).casefold()
