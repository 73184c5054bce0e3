"""A picture is found in a data set's archive without reading all its names into memory."""

import io
import struct
import zipfile

import pytest

from jobyard.shared.errors import NotFound
from jobyard.shared.registry.archive import DatasetArchive
from tests.allocations import allocated


def packed(names: list[str]) -> io.BytesIO:
    """As the importer writes them: stored, in the order of their names; each holds its own name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in sorted(names):
            archive.writestr(zipfile.ZipInfo(name), name)
    return file


NAMES = [
    *(f"train/{animal}/{number}.jpg" for animal in ("cats", "catsharks", "Äpfel") for number in range(120)),
    *(f"test/cats/{number}.jpg" for number in range(12)),
]


def test_every_picture_is_found_and_no_other() -> None:
    archive = DatasetArchive(packed(NAMES))
    for name in NAMES:
        assert archive.read(name, 100) == name.encode()
    for name in (
        "train/cats",
        "train/cats/",
        "train/cats/1.jp",
        "cats/1.jpg",
        "",
        "train/dogs/1.jpg",
        "PK\1\2",
    ):
        with pytest.raises(NotFound, match="no picture"):
            archive.read(name, 100)
    with pytest.raises(NotFound, match="no picture"):
        archive.read(NAMES[0], 3)


def test_the_first_pictures_of_a_class() -> None:
    archive = DatasetArchive(packed(NAMES))
    assert archive.first("train/cats/", 3) == ["train/cats/0.jpg", "train/cats/1.jpg", "train/cats/10.jpg"]
    assert archive.first("test/cats/", 100) == sorted(f"test/cats/{number}.jpg" for number in range(12))
    assert archive.first("train/dogs/", 3) == []


@pytest.mark.parametrize("content", [b"", b"PK", bytes(100), b"PK\5\6" + bytes(18), b"PK\5\6" + b"\xff" * 18])
def test_what_is_no_archive_of_ours_is_said_to_be_damaged_or_empty(content: bytes) -> None:
    with pytest.raises(NotFound):
        DatasetArchive(io.BytesIO(content)).read("train/cats/1.jpg", 100)


def zip64_end(list_bytes: int, list_start: int) -> bytes:
    """The records at the end of a zip that say where its list is (APPNOTE, 4.3.14 to 4.3.16)."""
    return (
        struct.pack("<4s36xQQ", b"PK\6\6", list_bytes, list_start)
        + struct.pack("<4s4xQ4x", b"PK\6\7", 0)
        + struct.pack("<4s8xLL2x", b"PK\5\6", 0xFFFFFFFF, 0xFFFFFFFF)
    )


@pytest.mark.parametrize(("list_bytes", "list_start"), [(1 << 60, 0), (1, 1 << 63), ((1 << 64) - 1, 1)])
def test_a_list_that_would_reach_beyond_the_file_is_not_looked_for(list_bytes: int, list_start: int) -> None:
    with pytest.raises(NotFound, match="damaged"):
        DatasetArchive(io.BytesIO(zip64_end(list_bytes, list_start)))


def test_a_long_list_costs_little_memory_and_more_than_65535_members_are_found() -> None:
    names = [f"train/cats/{number:06}{'x' * 100}.jpg" for number in range(70_000)]
    file = packed(names)
    with allocated() as peak:
        archive = DatasetArchive(file)
        assert archive.read(names[-1], 1_000) == names[-1].encode()
        assert archive.first("train/cats/", 2) == names[:2]
    assert peak.bytes < 4 << 20
