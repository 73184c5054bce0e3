"""What the tests of data sets share: pictures, and the ways to pack them."""

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.factories import encode, tarred, zipped
from tests.reports import NoMetrics


def picture(shade: int = 0, size: int = 4) -> bytes:
    """A PNG that is different for each shade (0 … 255)."""
    return encode(Image.new("L", (size, size), shade))


def pack_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    path.write_bytes(zipped(files, compression))
    return path


def pack_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    path.write_bytes(tarred(files, mode))
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
def notes() -> NoMetrics:
    return NoMetrics()
