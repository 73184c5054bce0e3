"""What the demo draws."""

import random
from pathlib import Path

import pytest

from jobyard.demo.pictures import CLASSES, SIZE, draw, draw_set


@pytest.mark.parametrize("name", CLASSES)
def test_the_same_seed_draws_the_same_picture(name: str) -> None:
    first, again, other = (draw(name, random.Random(seed)) for seed in (1, 1, 2))
    assert first.size == (SIZE, SIZE)
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_a_drawn_set_has_a_folder_per_class(tmp_path: Path) -> None:
    draw_set(tmp_path, 2)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jpg")) == [
        "dots/000.jpg",
        "dots/001.jpg",
        "stripes/000.jpg",
        "stripes/001.jpg",
    ]
