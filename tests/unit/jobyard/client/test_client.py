"""What the client does to files before they travel, and what it may import."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jobyard.client.architectures import architecture_file
from jobyard.client.errors import BadRequest
from jobyard.client.packing import classes_in, write_zip


def test_a_folder_is_packed_with_its_classes_and_without_hidden_files(tmp_path: Path) -> None:
    for name in ("cats/a.jpg", "dogs/b.jpg", "dogs/.DS_Store", ".git/config"):
        path = tmp_path / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture")
    write_zip(classes_in(tmp_path / "pets"), tmp_path / "pets.zip")
    with zipfile.ZipFile(tmp_path / "pets.zip") as packed:
        assert packed.namelist() == ["cats/a.jpg", "dogs/b.jpg"]
        assert {info.compress_type for info in packed.infolist()} == {zipfile.ZIP_STORED}


def pets(folder: Path) -> Path:
    for name in ("cats/a.jpg", "dogs/b.jpg"):
        (folder / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "pets" / name).write_bytes(b"picture")
    return folder / "pets"


def packed(folder: Path) -> list[str]:
    archive = folder.parent / "pets.zip"
    write_zip(classes_in(folder), archive)
    with zipfile.ZipFile(archive) as file:
        return file.namelist()


def test_links_to_folders_are_packed_inside_the_folder_and_named_outside(tmp_path: Path) -> None:
    folder = pets(tmp_path)
    (folder / "birds").symlink_to("cats")
    (folder / "dogs" / "c.jpg").symlink_to("b.jpg")
    assert packed(folder) == ["birds/a.jpg", "cats/a.jpg", "dogs/b.jpg", "dogs/c.jpg"]
    (tmp_path / "store").mkdir()
    for target, why in (
        (tmp_path / "store", "is a link to a folder outside of"),
        (folder, "is a link to a folder that it lies in"),
        (tmp_path / "nowhere", "is a link that leads nowhere"),
    ):
        (folder / "birds").unlink()
        (folder / "birds").symlink_to(target)
        with pytest.raises(BadRequest, match=f"birds {why}"):
            packed(folder)


def test_names_that_are_no_unicode_are_packed_under_harmless_ones(tmp_path: Path) -> None:
    folder = pets(tmp_path)
    for name in (b"k\xe4tzchen.jpg", b"k\xe5tzchen.jpg"):
        Path(os.fsdecode(os.fsencode(folder / "cats") + b"/" + name)).write_bytes(b"picture")
    assert packed(folder) == [
        "cats/a.jpg",
        "cats/k\ufffdtzchen.jpg",
        "cats/k\ufffdtzchen (2).jpg",
        "dogs/b.jpg",
    ]
    Path(os.fsdecode(os.fsencode(folder) + b"/H\xfcndchen")).mkdir()
    with pytest.raises(BadRequest, match="H\ufffdndchen: the folder's name is not UTF-8; rename it"):
        packed(folder)


def test_a_class_that_begins_as_a_drive_is_named(tmp_path: Path) -> None:
    folder = pets(tmp_path)
    (folder / "B: benign").mkdir()
    (folder / "B: benign" / "a.jpg").write_bytes(b"picture")
    with pytest.raises(BadRequest, match="B: benign: the folder's name begins as a drive's; rename it"):
        packed(folder)


def test_a_folder_that_can_not_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"nowhere can't be read: No such file or directory$"):
        packed(tmp_path / "nowhere")


def test_an_architecture_is_taken_out_of_a_keras_file(tmp_path: Path) -> None:
    plain, packed, empty = (tmp_path / name for name in ("net.json", "net.keras", "empty.KERAS"))
    plain.write_text("{}")
    with architecture_file(plain) as file:
        assert file == plain
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("config.json", '{"class_name": "Sequential"}')
    with architecture_file(packed) as file:
        assert (file.name, file.read_text()) == ("net.json", '{"class_name": "Sequential"}')
    assert not file.exists()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("metadata.json", "{}")
    with (
        pytest.raises(BadRequest, match=r"should be a \.keras file of Keras 3, with a config\.json"),
        architecture_file(empty),
    ):
        pass
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", " " * 10_000_000)
    with pytest.raises(BadRequest, match="should have at most"), architecture_file(packed):
        pass


def test_a_damaged_keras_file_has_no_architecture(tmp_path: Path) -> None:
    garbled, short = tmp_path / "garbled.keras", tmp_path / "short.keras"
    with zipfile.ZipFile(garbled, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}" * 1_000)
    whole = bytearray(garbled.read_bytes())
    whole[30 + len("config.json")] = 0xFF  # the first byte after the header, which is no beginning of a block
    garbled.write_bytes(whole)
    with zipfile.ZipFile(short, "w") as archive:
        archive.writestr("config.json", "{}")
        (info,) = archive.infolist()
        info.file_size = info.compress_size = 10_000  # in the list of what there is, at the end
    for path in (garbled, short):
        with (
            pytest.raises(BadRequest, match=r"should be a \.keras file of Keras 3"),
            architecture_file(path),
        ):
            pass


def test_the_client_imports_nothing_of_the_server() -> None:
    code = (
        "import sys; from jobyard import Client; "
        "loaded = {name.removeprefix('jobyard.').split('.')[0] for name in sys.modules}; "
        "server = {'shared', 'web', 'workers', 'up', 'cli', 'flask', 'pydantic', 'sqlalchemy', 'celery'}; "
        "sys.exit(' '.join(loaded & server))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180)
    assert result.stderr.strip() == ""
