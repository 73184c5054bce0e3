"""What the tests of data sets share: pictures, and the ways to pack them."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image


class Notes:
    """A Report that keeps what it was told."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.steps: list[tuple[int, int | None, str]] = []

    def phase(self, name: str) -> None:
        self.phases.append(name)

    def progress(self, done: int, total: int | None, unit: str) -> None:
        self.steps.append((done, total, unit))

    def metric(self, name: str, step: int, value: float, epoch: int | None = None) -> None:
        raise AssertionError("data sets have no metrics")

    def check(self) -> None:
        pass


def picture(shade: int = 0, size: int = 4) -> bytes:
    """A PNG that is different for each shade (0 … 255)."""
    file = io.BytesIO()
    Image.new("L", (size, size), shade).save(file, "PNG")
    return file.getvalue()


def pack_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def pack_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def pack_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


PETS = {
    "train/cats/a.png": picture(1),
    "train/cats/b.png": picture(2),
    "train/dogs/a.png": picture(3),
    "validation/cats/c.png": picture(4),
    "validation/dogs/d.png": picture(5),
}


@pytest.fixture
def notes() -> Notes:
    return Notes()
