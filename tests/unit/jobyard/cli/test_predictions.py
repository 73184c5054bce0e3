"""How pictures travel from the command line, and how they are called afterwards."""

import zipfile
from pathlib import Path

import pytest

from jobyard.cli import predictions
from jobyard.cli.predictions import _sent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/2.jpg", "a/1.PNG", "c.webp", "notes.txt", ".hidden/3.jpg", "a/.4.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "photos"


def test_the_pictures_anywhere_in_a_folder_are_sent_one_by_one(folder: Path) -> None:
    sent = _sent((folder, folder / "notes.txt"))
    paths = [folder / name for name in ("a/1.PNG", "b/2.jpg", "c.webp", "notes.txt")]
    with sent.packed() as source:
        assert source == {"images": paths}
    rows = [{"image": path.name} for path in paths]
    assert [row["image"] for row in sent.named(iter(rows))] == [str(path) for path in paths]


def test_many_pictures_travel_in_one_zip_and_keep_their_paths(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "MAX_UPLOADS", 2)
    sent = _sent((folder / "b", folder))
    with sent.packed() as source:
        assert set(source) == {"archive"}
        with zipfile.ZipFile(source["archive"]) as packed:
            names = packed.namelist()
            assert packed.read("b/2.jpg") == b"b/2.jpg"
    assert names == ["a/1.PNG", "b/2.jpg", "c.webp"]
    assert not Path(source["archive"]).exists()
    named = sent.named({"image": name} for name in names)
    assert [row["image"] for row in named] == [str(folder / name) for name in names]


def test_an_archive_is_sent_as_it_is(tmp_path: Path) -> None:
    archive = tmp_path / "photos.TAR.gz"
    archive.write_bytes(b"")
    sent = _sent((archive,))
    with sent.packed() as source:
        assert source == {"archive": archive}
    assert [row["image"] for row in sent.named(iter([{"image": "in/there.jpg"}]))] == ["in/there.jpg"]
