"""Pictures that cost about what photographs cost to decode: smooth shapes, some grain, JPEG."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZES = ((500, 375), (375, 500), (400, 300))


def photographs(folder: Path, count: int, size: int | None = None) -> list[Path]:
    """`count` JPEG files in a new folder: of a web photograph's size, or squares of `size` pixels."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    paths = []
    for number in range(count):
        width, height = (size, size) if size else SIZES[number % len(SIZES)]
        rough = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        smooth = np.asarray(rough.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
        grain = random.normal(0, 6, (height, width, 1)).astype(np.float32)
        path = folder / f"{number:05}.jpg"
        Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(path, quality=85)
        paths.append(path)
    return paths
