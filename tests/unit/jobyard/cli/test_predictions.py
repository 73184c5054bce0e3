"""How pictures travel from the command line, and how they are called afterwards."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import click
import pytest

from jobyard.cli import run
from jobyard.cli.pictures import Sent, pictures_of
from jobyard.cli.predicted import _line


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b/2.jpg", "a/1.PNG", "notes.txt", ".hidden/3.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    monkeypatch.chdir(tmp_path)
    return Path("photos")


def shown(sent: Sent, *names: str) -> list[str]:
    """The pictures of rows, by the names that a server has for them."""
    return [row["image"] for row in sent.named(iter({"image": name} for name in names))]


def test_every_file_of_a_folder_travels_and_is_called_as_it_was_given(photos: Path) -> None:
    sent = pictures_of((photos,), Path())
    names = ["photos/a/1.PNG", "photos/b/2.jpg", "photos/notes.txt"]
    with sent.source() as source, zipfile.ZipFile(source["archive"]) as packed:
        assert set(source) == {"archive"}
        assert packed.namelist() == names
        assert packed.read("photos/b/2.jpg") == b"b/2.jpg"
    assert not source["archive"].exists()
    assert shown(sent, *names) == names
    sent = pictures_of((photos.absolute(), photos), Path())
    assert shown(sent, *names) == [str(Path(name).absolute()) for name in names]


def test_one_picture_travels_alone(photos: Path) -> None:
    sent = pictures_of((photos / "b",), Path())
    with sent.source() as source:
        assert source == {"images": [photos / "b" / "2.jpg"]}
    assert shown(sent, "2.jpg") == ["photos/b/2.jpg"]
    assert (sent.description, pictures_of((photos,), Path()).description) == ("photos/b/2.jpg", "3 files")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "photos/notes.txt/drawn", "--explain"], "notes.txt is a file, and no folder"),
        (["--csv", "photos/notes.txt", "--force"], "--csv photos/notes.txt: is a file that is read"),
        (["--csv", "nowhere/x.csv"], "--csv nowhere/x.csv: there is no folder nowhere"),
        (["--escape-formulas"], "--escape-formulas needs --csv"),
        (["/dev/null"], "/dev/null is a device, and no file"),
    ],
)
def test_what_can_not_be_saved_is_said_before_the_work(
    photos: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", "pets", str(photos), *options]) == 2
    assert said in capsys.readouterr().err


def test_standard_input_and_pipes_are_pictures(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"picture")))
    sent = pictures_of((Path("-"),), tmp_path)
    with sent.source() as source:
        assert [path.read_bytes() for path in source["images"]] == [b"picture"]
    assert (sent.description, shown(sent, "stdin")) == ("-", ["-"])

    read, write = os.pipe()
    os.write(write, b"piped")
    os.close(write)
    sent = pictures_of((Path(f"/dev/fd/{read}"), photos / "b"), tmp_path)
    os.close(read)
    names = ["photos/b/2.jpg", f"{read}-1"]
    with sent.source() as source, zipfile.ZipFile(source["archive"]) as packed:
        assert packed.namelist() == names
        assert packed.read(names[1]) == b"piped"
    assert shown(sent, *names) == ["photos/b/2.jpg", f"/dev/fd/{read}"]


def test_explained_pictures_are_overwritten_only_with_force(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("drawn").mkdir()
    Path("drawn/overlay-7.png").write_bytes(b"earlier")
    assert run(["predict", "pets", str(photos), "--explain", "-o", "drawn"]) == 2
    assert "-o drawn: overlay-7.png is there already; --force overwrites it" in capsys.readouterr().err
    assert run(["predict", "pets", str(photos), "drawn", "--explain", "-o", "drawn", "--force"]) == 2
    assert "-o drawn: overlay-7.png is a file that is read; name another folder" in capsys.readouterr().err


def test_an_archive_is_sent_as_it_is(tmp_path: Path) -> None:
    archive = tmp_path / "photos.TAR.gz"
    archive.write_bytes(b"")
    sent = pictures_of((archive,), Path())
    with sent.source() as source:
        assert source == {"archive": archive}
    assert shown(sent, "in/there.jpg") == ["in/there.jpg"]


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty" / ".git").mkdir(parents=True)
    (tmp_path / "empty" / ".git" / "config").write_bytes(b"x")
    with pytest.raises(click.UsageError, match="there are no pictures in"):
        pictures_of((tmp_path / "empty",), Path())


def test_a_line_of_json_has_the_probabilities_and_the_reason() -> None:
    row: dict[str, Any] = {
        "image": "a.jpg",
        "label": "cats",
        "probability": 0.75,
        "probabilities": {"cats": 0.75, "dogs": 0.25},
        "error": None,
        "overlay": None,
    }
    assert list(_line(row)) == ["image", "label", "probability", "probabilities"]
    assert _line(row)["probabilities"] == {"cats": 0.75, "dogs": 0.25}
    broken = row | {"label": None, "probability": None, "probabilities": {}, "error": "the file is empty"}
    assert _line(broken)["error"] == "the file is empty"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (["labels.csv"], "--csv labels.csv: is there already; --force overwrites it"),
        (["photos/notes.txt", "--force"], "is a file that is read; name another one"),
        (["nowhere/labels.csv"], "there is no folder nowhere"),
        (["pipe", "--force"], "--csv pipe: is no file; name another one"),
    ],
)
@pytest.mark.usefixtures("photos")
def test_a_table_that_would_overwrite_something_is_refused_before_the_work(
    capsys: pytest.CaptureFixture[str], target: list[str], said: str
) -> None:
    Path("labels.csv").write_text("mine")
    os.mkfifo("pipe")
    assert run(["predict", "pets", "photos", "--csv", *target]) == 2
    assert said in capsys.readouterr().err
    assert Path("labels.csv").read_text() == "mine"
