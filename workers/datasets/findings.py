"""The findings of an import about the pictures of a data set, and warnings about them."""

import bisect
import hashlib
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from PIL import Image

from jobyard.shared.archives.layout import Place
from jobyard.shared.archives.splits import SPLIT_NAMES, TRAIN, VALIDATION
from jobyard.workers.datasets.labels.report import LabelsReport

# What is listed by name; the rest is only counted.
MAX_LISTED = 100
MAX_IN_GROUP = 10

# Of the histogram of shorter sides, in pixels: a network sees little more than that of a picture.
EDGES = (1, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096)

# A warning is given if a class has so many times the pictures of another.
IMBALANCE = 1.5

STRIP_BYTES = 4 << 20

# From training to test: the later splits evaluate what was learned on the earlier ones.
ORDER = {split: place for place, split in enumerate(SPLIT_NAMES)}


@dataclass(frozen=True)
class Seen:
    """A picture that decodes: `width` and `height` in pixels, upright; `pixels` is the digest of them all.

    `is_blank`: it is transparent in parts, and of one colour when these are laid on white.
    """

    place: Place
    width: int
    height: int
    format: str
    pixels: bytes
    is_transparent: bool = False
    is_blank: bool = False


class Extent(TypedDict):
    """Of all pictures, in pixels."""

    min: int
    median: float
    max: int


class Histogram(TypedDict):
    """`counts[i]` pictures have a shorter side from `edges[i]` to under `edges[i + 1]` pixels."""

    edges: list[int]
    counts: list[int]


class Leak(TypedDict):
    """A `picture` for evaluation that an earlier split has, too, as `same_as`."""

    picture: str
    same_as: str


class Findings(TypedDict):
    """All of it is JSON. Pictures are the same if their decoded pixels are, whatever else is in the files.

    `read_as` says which classes were found where. `transparent_count` are transparent in parts. `duplicates`
    counts those that repeat another one, and lists them with it; `leaks` counts pictures of validation that
    train has too, and of test that train or validation has; `conflicts` counts pictures that have more than
    one class. `noted` lists files that were imported, with a note. `labels` is about tables of labels, if
    there are such. `imbalance` is pictures of the largest class of train by those of the smallest. `warnings`
    has a line for each finding that people should look at.
    """

    read_as: str
    width: Extent
    height: Extent
    shorter_side: Histogram
    formats: dict[str, int]
    transparent_count: int
    duplicates: list[list[str]]
    duplicates_count: int
    leaks: list[Leak]
    leaks_count: int
    conflicts: list[list[str]]
    conflicts_count: int
    noted: list[dict[str, str]]
    noted_count: int
    imbalance: float
    labels: LabelsReport | None
    warnings: list[str]


def pixel_digest(image: Image.Image) -> bytes:
    """SHA-256 of an RGB picture's size and pixels."""
    digest = hashlib.sha256(f"{image.width}x{image.height}".encode())
    rows = max(1, STRIP_BYTES // (4 * image.width))
    for top in range(0, image.height, rows):  # a copy of a large picture would be hundreds of megabytes
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        digest.update(strip.tobytes())
    return digest.digest()


def find_out(
    pictures: Sequence[Seen],
    classes: dict[str, dict[str, int]],
    noted: Sequence[tuple[str, str]],
    labels: LabelsReport | None = None,
    read_as: str = "",
    warnings: Sequence[str] = (),
) -> Findings:
    """`classes` counts the `pictures` (one or more) by split and class; `noted` has (file, note).

    `read_as` and `warnings` are of how the pictures were found; these warnings come before the others.
    """
    groups = _same(pictures)
    leaks = [leak for group in groups for leak in _leaks(group)]
    conflicts = [group for group in groups if len({place.class_name for place in group}) > 1]
    copies = sum(len(group) - 1 for group in groups)
    return Findings(
        read_as=read_as,
        width=_extent([picture.width for picture in pictures]),
        height=_extent([picture.height for picture in pictures]),
        shorter_side=_histogram([min(picture.width, picture.height) for picture in pictures]),
        formats=dict(Counter(picture.format for picture in pictures).most_common()),
        transparent_count=sum(picture.is_transparent for picture in pictures),
        duplicates=_listed(groups),
        duplicates_count=copies,
        leaks=leaks[:MAX_LISTED],
        leaks_count=len(leaks),
        conflicts=_listed(conflicts),
        conflicts_count=len(conflicts),
        noted=[{"file": name, "note": note} for name, note in noted[:MAX_LISTED]],
        noted_count=len(noted),
        imbalance=round(max(classes[TRAIN].values()) / min(classes[TRAIN].values()), 3),
        labels=labels,
        warnings=[
            *(labels["warnings"] if labels else ()),
            *warnings,
            *_about_blank(pictures),
            *_warnings(classes, len(leaks), len(conflicts), copies),
        ],
    )


def _about_blank(pictures: Sequence[Seen]) -> list[str]:
    blank = sum(picture.is_blank for picture in pictures)
    if not blank:
        return []
    return [
        f"{_pictures(blank)} {'is' if blank == 1 else 'are'} of one colour when laid on white, as training "
        "lays what is transparent: train with another background, as black"
    ]


def _same(pictures: Sequence[Seen]) -> list[list[Place]]:
    """The places of pictures that are more than one, each group in order of split and name."""
    groups = defaultdict(list)
    for picture in pictures:
        groups[picture.pixels].append(picture.place)
    several = [sorted(group, key=_order) for group in groups.values() if len(group) > 1]
    return sorted(several, key=lambda group: _order(group[0]))


def _order(place: Place) -> tuple[int, str]:
    return ORDER[place.split], place.path


def _leaks(group: list[Place]) -> list[Leak]:
    first = group[0]
    return [Leak(picture=place.path, same_as=first.path) for place in group if place.split != first.split]


def _listed(groups: list[list[Place]]) -> list[list[str]]:
    return [[place.path for place in group[:MAX_IN_GROUP]] for group in groups[:MAX_LISTED]]


def _extent(values: list[int]) -> Extent:
    return Extent(min=min(values), median=statistics.median(values), max=max(values))


def _histogram(sides: list[int]) -> Histogram:
    """Without the empty bins at both ends."""
    edges = [*EDGES, max(EDGES[-1], *sides) + 1]
    counts = Counter(bisect.bisect_right(edges, side) - 1 for side in sides)
    first, last = min(counts), max(counts)
    return Histogram(edges=edges[first : last + 2], counts=[counts[at] for at in range(first, last + 1)])


def _warnings(classes: dict[str, dict[str, int]], leaks: int, conflicts: int, copies: int) -> list[str]:
    warnings = []
    if leaks:
        judging = [split for split in classes if split != TRAIN]
        warnings.append(
            f"{_pictures(leaks)} of {' and '.join(judging)} {'is' if leaks == 1 else 'are'} in "
            f"{TRAIN if len(judging) == 1 else 'an earlier split'} too: "
            "a network should not be evaluated on pictures that it was trained on"
        )
    if conflicts:
        warnings.append(
            f"{_pictures(conflicts)} {'has' if conflicts == 1 else 'have'} more than one class: "
            "all but one of the labels of each are wrong"
        )
    if copies:
        warnings.append(
            f"{_pictures(copies)} {'duplicates' if copies == 1 else 'duplicate'} another"
            + ("" if VALIDATION in classes else ": copies stay together where pictures are held out")
        )
    sizes = Counter(classes[TRAIN]).most_common()
    (largest, most), (smallest, least) = sizes[0], sizes[-1]
    if most > IMBALANCE * least:
        warnings.append(
            f"train has {most / least:.1f} times as many pictures of {largest!r} ({most:,}) as of "
            f"{smallest!r} ({least:,}): compare the recall of the classes, not only the accuracy"
        )
    return warnings


def _pictures(count: int) -> str:
    return f"{count:,} picture{'' if count == 1 else 's'}"
