"""Which files of folders travel, under which paths, and what is said of those that can't be read."""

import errno
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import pytest

from jobyard.client.errors import BadRequest, JobyardClientError
from jobyard.client.packing import classes_in, digest_of, files_in, named, packed
from jobyard.shared.archives.unlabelled import unlabelled_pictures
from jobyard.shared.archives.walk import walk


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("b/2.jpg", "a/1.PNG", "c.webp", "notes.txt", "a/empty", ".hidden/3.jpg", "a/.4.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "a/empty" else name.encode())
    return tmp_path / "photos"


def below(photos: Path, files: list[Path]) -> list[str]:
    return sorted(file.relative_to(photos).as_posix() for file in files)


def test_every_file_of_a_folder_is_found_whatever_it_is_called(photos: Path) -> None:
    found = files_in([photos / "b", photos, photos / "b" / ".." / "c.webp"])
    assert below(photos, found) == ["a/1.PNG", "a/empty", "b/2.jpg", "c.webp", "notes.txt"]


def test_a_hidden_file_is_taken_only_if_it_is_named(photos: Path) -> None:
    assert files_in([photos / "a" / ".4.jpg"]) == [photos / "a" / ".4.jpg"]


def test_links_to_folders_are_followed_and_not_in_a_circle(photos: Path) -> None:
    (photos / "b" / "again").symlink_to(photos / "a")
    (photos / "a" / "up").symlink_to(photos)
    (photos / "b" / "one.jpg").symlink_to(photos / "c.webp")
    assert below(photos, files_in([photos / "b"])) == [
        "b/2.jpg",
        "b/again/1.PNG",
        "b/again/empty",
        "b/again/up/c.webp",
        "b/again/up/notes.txt",
        "b/one.jpg",
    ]


def test_paths_begin_where_the_command_runs(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos.parent)
    for given in (Path("photos/b"), photos / "b", Path("photos/a/../b/2.jpg")):
        assert list(named(files_in([given]), [given])) == ["photos/b/2.jpg"]


def test_paths_are_below_the_folder_of_all_that_was_given(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    given = [photos / "b", photos / "a" / "1.PNG"]
    assert named(files_in(given), given) == {"b/2.jpg": photos / "b/2.jpg", "a/1.PNG": photos / "a/1.PNG"}
    above = Path("../photos/b")
    assert list(named(files_in([above]), [above])) == ["b/2.jpg"]


def test_names_that_would_not_travel_are_harmless_and_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [b"k\xfcchen.jpg", b"k\xf6chen.jpg", "Äpfel.jpg".encode(), b"a\\b.jpg", b"c:d.jpg", b"e\nf.jpg"]
    for name in names:
        Path(os.fsdecode(name)).write_bytes(b"x")
    decomposed = Path("A\N{COMBINING DIAERESIS}pfel.jpg")
    decomposed.write_bytes(b"y")
    files = named(files_in([Path()]), [Path()])
    assert set(files) == {
        "k_chen.jpg",
        "k_chen (2).jpg",
        "Äpfel.jpg",
        "Äpfel (2).jpg",
        "a_b.jpg",
        "c_d.jpg",
        "e_f.jpg",
    }
    with packed(files, "pictures") as archive, zipfile.ZipFile(archive) as inside:
        assert set(inside.namelist()) == set(files)
        assert inside.read("e_f.jpg") == b"x"
    assert not archive.exists()


def test_what_is_hidden_and_was_named_is_not_hidden_in_the_zip(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    given = [Path(".hidden"), Path("a/.4.jpg"), Path("c.webp")]
    names = named(files_in(given), given)
    assert names == {
        "_hidden/3.jpg": Path(".hidden/3.jpg"),
        "a/_4.jpg": Path("a/.4.jpg"),
        "c.webp": Path("c.webp"),
    }
    with packed(names, "pictures") as archive:
        assert len(list(unlabelled_pictures(walk(archive, 1_000)))) == 3


def test_what_can_not_be_read_is_named_before_anything_travels(photos: Path) -> None:
    (photos / "a" / "gone.jpg").symlink_to(photos / "nowhere.jpg")
    os.mkfifo(photos / "b" / "pipe.jpg")
    for folder, why in (
        (photos / "a", r"a/gone\.jpg is a link that leads nowhere; remove it"),
        (photos / "b", r"b/pipe\.jpg is no file but a pipe, a socket or a device; remove it"),
    ):
        for find in (files_in, lambda given: classes_in(given[0])):
            with pytest.raises(BadRequest, match=why):
                find([folder])
    for file, why in (
        (photos / "b" / "pipe.jpg", r"pipe\.jpg can't be read: it is no file"),
        (photos / "a" / "gone.jpg", r"gone\.jpg can't be read: No such file"),
    ):
        with pytest.raises(BadRequest, match=why), packed({"1.jpg": file}, "pictures"):
            pass


def test_a_folder_to_train_on_has_its_own_paths(photos: Path) -> None:
    (photos / "b" / "again").symlink_to(photos / "a")
    (photos / "d").mkdir()
    (photos / "d" / ".gitkeep").touch()
    found = classes_in(photos)
    assert list(found.items()) == [
        (name, photos / name)
        for name in (
            *("a/1.PNG", "a/empty", "b/2.jpg", "b/again/1.PNG", "b/again/empty"),
            *("c.webp", "d/", "notes.txt"),
        )
    ]
    with packed(found, "pictures") as archive, zipfile.ZipFile(archive) as inside:
        assert inside.namelist() == list(found)


@pytest.mark.parametrize("method", ["open", "_write_end_record"])  # the second one when it is closed
def test_a_disk_without_room_is_no_fault_of_the_pictures(
    photos: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zipfile.ZipFile, method, full)
    with (
        pytest.raises(BadRequest, match=r"no room to zip the pictures in .*; set TMPDIR"),
        packed({"2.jpg": photos / "b/2.jpg"}, "pictures"),
    ):
        pass


def test_the_same_pictures_make_the_same_zip(photos: Path, tmp_path: Path) -> None:
    def digest(folder: Path) -> str:
        with packed(classes_in(folder), "pets") as archive:
            return digest_of(archive)

    first = digest(photos)
    copy = shutil.copytree(photos, tmp_path / "copy", copy_function=shutil.copyfile)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o755 if path.is_dir() else 0o400)
    assert digest(copy) == first
    moved = copy / "a/2.jpg"
    (copy / "b/2.jpg").rename(moved)
    assert digest(copy) != first
    moved.rename(copy / "b/2.jpg")
    assert digest(copy) == first
    (copy / "b/2.jpg").chmod(0o600)
    (copy / "b/2.jpg").write_bytes(b"other")
    assert digest(copy) != first


def test_the_name_of_a_zip_is_no_path(photos: Path) -> None:
    with packed({"2.jpg": photos / "b/2.jpg"}, "../my pictures\n") as archive:
        assert archive.name == ".._my pictures_.zip"
    with packed({"2.jpg": photos / "b/2.jpg"}, "猫" * 85) as archive:
        assert archive.name == "猫" * 33 + ".zip"


def test_a_zip_that_can_not_be_made_is_an_error_of_the_client(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkdtemp", read_only)
    with (
        pytest.raises(
            JobyardClientError, match="no temporary folder can be made: Read-only file system; set"
        ),
        packed({"2.jpg": photos / "b/2.jpg"}, "pictures"),
    ):
        pass
