"""Small pictures for tests, drawn with Pillow."""

import io
import random
import zipfile
from pathlib import Path

from PIL import Image, ImageDraw


def draw(path: Path, kind: str, size: int = 64, seed: int = 0) -> Path:
    """A disc or a square, somewhere, in some colour."""
    chance = random.Random(f"{kind}{seed}")
    image = Image.new("RGB", (size, size), tuple(chance.randrange(90) for _ in range(3)))
    left, top = (chance.randrange(size // 3) for _ in range(2))
    box = (left, top, left + size // 2, top + size // 2)
    colour = tuple(chance.randrange(150, 256) for _ in range(3))
    pen = ImageDraw.Draw(image)
    (pen.ellipse if kind == "discs" else pen.rectangle)(box, fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def draw_dataset(folder: Path, per_class: int = 24, size: int = 64) -> Path:
    """`folder/discs/*.png` and `folder/squares/*.png`."""
    for kind in ("discs", "squares"):
        for index in range(per_class):
            draw(folder / kind / f"{index:03}.png", kind, size, index)
    return folder


def zipped_dataset() -> bytes:
    """The bytes of a zip with two classes of one picture each."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for kind in ("discs", "squares"):
            drawn = io.BytesIO()
            Image.new("RGB", (8, 8)).save(drawn, "PNG")
            archive.writestr(f"{kind}/1.png", drawn.getvalue())
    return target.getvalue()
