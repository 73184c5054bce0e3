"""What the demo makes up."""

import random
from pathlib import Path

from jobyard.demo.reviews import review, write_reviews


def test_reviews_are_many_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write_reviews(tmp_path / name, 1_000)
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    chance = random.Random(0)
    assert len({review(chance) for _ in range(1_000)}) > 900
