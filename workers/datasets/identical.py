"""Pictures to train on that are the same: what a data set's zip says of them, and a file beside the unpacked.

Each of them has in the zip's list a comment, the same one for all that equal each other.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# Beside train/, validation/ and test/.
FILE_NAME: Final = "identical.json"


def comments(pixels: Mapping[str, bytes]) -> dict[str, bytes]:
    """A comment for each place whose digest of pixels comes more than once.

    A digest may be several, one after the other (on white, on black): only all of it tells pictures apart.
    """
    counts = Counter(pixels.values())
    return {
        place: hashlib.sha256(digest).hexdigest()[:16].encode()
        for place, digest in pixels.items()
        if counts[digest] > 1
    }


def write(folder: Path, groups: Mapping[str, str]) -> None:
    """Keep what is said of each place, "train/cats/1.jpg", with the unpacked pictures."""
    if groups:
        (folder / FILE_NAME).write_text(json.dumps(groups), encoding="utf-8")


def read(folder: Path) -> dict[str, str]:
    """What is said of the places in an unpacked data set; pictures that equal each other have the same."""
    try:
        text = (folder / FILE_NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    groups: dict[str, str] = json.loads(text)
    return groups
