"""Pictures decoded once on this machine, for every later job that wants them at the same size."""

import hashlib
import math
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from jobyard.shared.errors import WorkError
from jobyard.shared.pictures import WHITE, NotAPicture, prepared
from jobyard.workers.datasets import array_cache
from jobyard.workers.runtime.progress import Progress

# Part of an entry's name: raise the number when `shared.pictures` makes other pixels of the same bytes.
DECODER = f"2, Pillow {PIL.__version__}"


@dataclass(frozen=True)
class DecodedDataset:
    """`pixels` (n, size, size, 3) uint8 lie on disk; `rows` has each picture's place, "train/cats/1.jpg"."""

    pixels: NDArray[np.uint8]
    rows: dict[str, int]


def place_of(path: Path) -> str:
    """Where a picture is in its data set: `split/class/name`."""
    return "/".join(path.parts[-3:])


def decode_once(
    files: Iterable[Path],
    size: int,
    draft: Path,
    progress: Progress,
    cache: Path | None = None,
    version: str = "",
    *,
    background: str | None = WHITE,
) -> DecodedDataset:
    """The pictures at `size`, laid on `background`: from the folder `cache`, else decoded to the new `draft`.

    With a `background` of None, what is transparent keeps its colour.

    With `cache`, where `version` identifies the content of this data set, the whole draft moves
    there: an entry is always complete, and of two processes that make the same one the later one's is kept.
    An entry may be removed while it is in use: a process that has it open can still read it. The draft should
    be on the cache's disk, in a folder that is cleaned up if this process dies.

    Raises WorkError for a file that is not a picture, and where the disk is too small; DiskFull where it is
    full.
    """
    places = dict(sorted((place_of(file), file) for file in files))
    rows = {place: row for row, place in enumerate(places)}
    shape = (len(places), size, size, 3)
    entry = None if cache is None else cache / f"{_digest(version, background, rows)}-{size}.npy"
    if entry is not None:
        pixels = array_cache.read(entry, shape, np.uint8)
        if pixels is not None:
            return DecodedDataset(pixels, rows)
        array_cache.make_room(entry.parent, math.prod(shape))
    _decode_to(draft, shape, list(places.values()), background, progress)
    if entry is not None:
        draft = draft.replace(entry)
    return DecodedDataset(np.load(draft, mmap_mode="r"), rows)


def _digest(version: str, background: str | None, rows: Iterable[str]) -> str:
    # The version does not depend on names, and a row is found by its name.
    return hashlib.sha256(
        "\n".join((DECODER, version, background or "none", *rows)).encode(errors="surrogateescape")
    ).hexdigest()


def _decode_to(
    path: Path,
    shape: tuple[int, int, int, int],
    files: list[Path],
    background: str | None,
    progress: Progress,
) -> None:
    array_cache.refuse_full_disk(path.parent, math.prod(shape), "the decoded pictures")
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)

    def decode_one(row: int) -> None:
        pixels[row] = _decode(files[row], shape[1], background)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the GIL
        futures = [pool.submit(decode_one, row) for row in range(len(files))]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                progress.update(done, len(files), "pictures")
        finally:
            pool.shutdown(cancel_futures=True)
    pixels.flush()  # before it gets its name: after a power cut that should not name zeros


def _decode(path: Path, size: int, background: str | None) -> NDArray[np.uint8]:
    try:
        with path.open("rb") as file:
            return prepared(file, size, background)
    except (NotAPicture, OSError) as error:
        raise WorkError(f"{path.parent.name}/{path.name} {error}") from None
