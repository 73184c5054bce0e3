"""What the demo draws and makes up, and which folder it may delete."""

import random
from pathlib import Path

import pytest

from jobyard.demo.pictures import CLASSES, SIZE, draw, draw_set
from jobyard.demo.reviews import review, write_reviews
from jobyard.demo.server import make_folder
from jobyard.demo.show import BUDGET_PICTURES, SPEC, _affordable_epochs
from jobyard.shared.errors import ConfigError


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


def test_reviews_are_many_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write_reviews(tmp_path / name, 1_000)
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    chance = random.Random(0)
    assert len({review(chance) for _ in range(1_000)}) > 900


@pytest.mark.parametrize("pictures", [0, 50, 320, 1_600, 25_000])
def test_a_training_of_the_demo_stays_within_its_budget(pictures: int) -> None:
    spec = _affordable_epochs(pictures)
    per_epoch = spec["steps_per_epoch"] * SPEC["batch_size"] if "steps_per_epoch" in spec else pictures
    assert spec["epochs"] * per_epoch <= BUDGET_PICTURES
    assert 5 <= spec["epochs"] <= 30


def test_only_a_demos_own_folder_is_deleted(tmp_path: Path) -> None:
    home = tmp_path / ".demo"
    make_folder(home)
    (home / "jobyard.db").touch()
    make_folder(home)
    assert not (home / "jobyard.db").exists()

    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").touch()
    with pytest.raises(ConfigError, match="not from a demo"):
        make_folder(other)
    assert (other / "thesis.txt").exists()
