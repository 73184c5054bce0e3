"""Draws a small picture set of two classes, for a demo without photographs."""

import math
import random
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 150
# Twice as large and scaled down: smooth edges, so that no class is recognized by its jaggies.
DRAWN = 2 * SIZE

Colour = tuple[int, int, int]


def draw_set(folder: Path, per_class: int, seed: int = 0) -> None:
    """Write `folder/<class>/<number>.jpg`, the same pictures for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - pictures, not secrets
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            draw(name, chance).save(folder / name / f"{number:03}.jpg", quality=90)


def draw(name: str, chance: random.Random) -> Image.Image:
    """A picture of a class: light on dark, of any number, size and place, with noise over it."""
    picture = Image.new("RGB", (DRAWN, DRAWN), _colour(chance, 0, 100))
    CLASSES[name](ImageDraw.Draw(picture), _colour(chance, 120, 255), chance)
    picture = picture.resize((SIZE, SIZE), Image.Resampling.BOX)
    noise = Image.frombytes("RGB", (SIZE, SIZE), chance.randbytes(3 * SIZE * SIZE))
    return Image.blend(picture, noise, chance.uniform(0.05, 0.25))


def _dots(pen: ImageDraw.ImageDraw, colour: Colour, chance: random.Random) -> None:
    for _ in range(chance.randint(8, 40)):
        radius = chance.uniform(0.02, 0.07) * DRAWN
        x, y = chance.uniform(0, DRAWN), chance.uniform(0, DRAWN)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _stripes(pen: ImageDraw.ImageDraw, colour: Colour, chance: random.Random) -> None:
    angle = chance.uniform(0, math.pi)
    along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
    for _ in range(chance.randint(2, 8)):
        offset = chance.uniform(-0.6, 0.6) * DRAWN
        x, y = (DRAWN / 2 + offset * step for step in across)
        reach = [DRAWN * step for step in along]
        ends = (x - reach[0], y - reach[1], x + reach[0], y + reach[1])
        pen.line(ends, fill=colour, width=round(chance.uniform(0.03, 0.12) * DRAWN))


CLASSES: dict[str, Callable[[ImageDraw.ImageDraw, Colour, random.Random], None]] = {
    "dots": _dots,
    "stripes": _stripes,
}


def _colour(chance: random.Random, least: int, most: int) -> Colour:
    return chance.randint(least, most), chance.randint(least, most), chance.randint(least, most)
