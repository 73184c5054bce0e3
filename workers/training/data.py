"""The pictures of a split, decoded to disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobyard.shared.pictures import WHITE
from jobyard.workers.datasets.pixels import decode_once, place_of
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.training.splits import DatasetSplit, Example


class PixelRows:
    """Some pictures of an array on disk, (n, size, size, 3) uint8: an index reads those that it names."""

    def __init__(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        self._pixels = pixels
        self._rows = rows
        self.shape = (len(rows), *pixels.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        return np.asarray(self._pixels[self._rows[index]])


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures: pixels (n, size, size, 3) uint8, on disk, and labels (n,) int32.

    `names` are their places in the data set, "validation/cats/1.jpg".
    """

    pixels: PixelRows | NDArray[np.uint8]
    labels: NDArray[np.int32]
    names: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> int:
        """Width and height, in pixels."""
        return int(self.pixels.shape[1])


def decode_all(
    split: DatasetSplit,
    size: int,
    workdir: Path,
    progress: Progress,
    cache: Path | None = None,
    version: str = "",
    *,
    background: str | None = WHITE,
) -> tuple[Pictures, Pictures, Pictures]:
    """The split's pictures, decoded and laid on `background`: (train, validation, test).

    They come from the folder `cache`, or are decoded to `workdir/pictures.npy`, which moves there; see
    `decode_once`. They stay on disk and are read batch by batch, so that they may be larger than the
    memory. Raises WorkError for a file that is not a picture, and where the disk is too small.
    """
    parts = (split.train, split.validation, split.test)
    files = [path for part in parts for path, _ in part]
    draft = workdir / "pictures.npy"
    decoded = decode_once(files, size, draft, progress, cache, version, background=background)

    def pictures(part: list[Example]) -> Pictures:
        names = [place_of(path) for path, _ in part]
        rows = np.array([decoded.rows[name] for name in names], dtype=np.int64)
        labels = np.array([label for _, label in part], dtype=np.int32)
        return Pictures(PixelRows(decoded.pixels, rows), labels, names)

    train, validation, test = map(pictures, parts)
    return train, validation, test
