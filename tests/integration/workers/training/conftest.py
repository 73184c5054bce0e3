"""Small drawn pictures, and a report that writes everything down."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobyard.shared.errors import Cancelled

COLOURS = {"blue": (100, 120, 150), "green": (100, 150, 120), "red": (150, 120, 100)}


@dataclass
class Recorder:
    """A Report that keeps what it is told, and raises `error` at a chosen call."""

    stop_at_progress: tuple[str, int] | None = None
    stop_at_check: int | None = None
    error: Exception = field(default_factory=Cancelled)
    events: list[tuple[object, ...]] = field(default_factory=list)

    def phase(self, name: str) -> None:
        self.events.append(("phase", name))

    def progress(self, done: int, total: int | None, unit: str) -> None:
        self.events.append(("progress", done, total, unit))
        if self.stop_at_progress == (unit, done):
            raise self.error

    def metric(self, name: str, step: int, value: float, epoch: int | None = None) -> None:
        self.events.append(("metric", name, step, value, epoch))

    def check(self) -> None:
        self.events.append(("check",))
        if len(self.of("check")) == self.stop_at_check:
            raise self.error

    def of(self, kind: str) -> list[tuple[object, ...]]:
        return [event[1:] for event in self.events if event[0] == kind]


@pytest.fixture(scope="session")
def recorder() -> type[Recorder]:
    return Recorder


def draw(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    """A noisy picture of about that colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-100, 100, (24, 36, 3))
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="session")
def draw_dataset() -> Callable[..., Path]:
    """Draws `train` (and `validation`) pictures of each class into a folder."""

    def build(
        folder: Path, classes: list[str], train: int = 20, validation: int = 0, colour: str | None = None
    ) -> Path:
        for number, name in enumerate(classes):
            for index in range(train + validation):
                part = "train" if index < train else "validation"
                file = folder / part / name / f"{index:03}.png"
                draw(file, COLOURS[colour or name], seed=1000 * number + index)
        return folder

    return build
