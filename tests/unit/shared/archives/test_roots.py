"""What an import opens by its path lies in a root, also where it changes after it was looked at."""

import os
from pathlib import Path

import pytest

from jobyard.shared.archives import roots as opening
from jobyard.shared.archives.folders import Folder
from jobyard.shared.archives.roots import opened
from jobyard.shared.archives.walk import walk
from jobyard.shared.errors import WorkError
from jobyard.shared.import_roots import ImportRoots
from tests.factories import tarred, zipped

HUGE = 1 << 40


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A root, `pictures`, with a data set and Jobyard's own folder in it; and a secret beside it."""
    (tmp_path / "pictures" / "pets" / "cats").mkdir(parents=True)
    (tmp_path / "pictures" / "pets" / "cats" / "a.png").write_bytes(b"a cat")
    (tmp_path / "pictures" / "jobyard" / "storage").mkdir(parents=True)
    (tmp_path / "pictures" / "jobyard" / "token").write_bytes(b"a secret")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.png").write_bytes(b"a secret")
    return tmp_path


@pytest.fixture
def roots(base: Path) -> ImportRoots:
    return ImportRoots([base / "nothing", base / "pictures"], private=[base / "pictures" / "jobyard"])


def names(path: Path | str, roots: ImportRoots) -> list[str]:
    with opened(str(path), roots) as source:
        return [member.name for member in walk(source, HUGE)]


def refused(path: Path | str, roots: ImportRoots) -> str:
    with pytest.raises(WorkError) as raised:
        names(path, roots)
    assert "\n" not in raised.value.message
    return raised.value.message


def test_a_folder_in_a_root_is_opened_however_it_is_written(base: Path, roots: ImportRoots) -> None:
    expected = ["cats", "cats/a.png"]
    (base / "pictures" / "animals").symlink_to(base / "pictures" / "pets")
    (base / "outside").symlink_to(base / "pictures" / "pets")
    for path in (
        "pictures/pets",
        "pictures/pets/",
        "pictures/../pictures/./pets",
        "pictures/animals",
        "outside",
    ):
        assert names(f"{base}/{path}", roots) == expected, path


def test_a_root_may_be_a_link_itself(base: Path) -> None:
    (base / "link").symlink_to(base / "pictures")
    roots = ImportRoots([base / "link"])
    roots.check(f"{base}/link/pets")
    assert names(base / "link" / "pets", roots) == names(base / "pictures" / "pets", roots)


def test_a_root_is_read_without_jobyards_own_folder(base: Path, roots: ImportRoots) -> None:
    with opened(str(base / "pictures"), roots) as source:
        found = {member.name: member.problem for member in walk(source, HUGE)}
    assert found == {
        "jobyard": "a folder of Jobyard's own",
        "pets": None,
        "pets/cats": None,
        "pets/cats/a.png": None,
    }


@pytest.mark.parametrize("path", ["secret", "pictures/../secret", "", "pictures-2", "../../../etc"])
def test_what_lies_in_no_root_is_refused_by_its_name(base: Path, roots: ImportRoots, path: str) -> None:
    message = (
        f"{base}/{path} is not in a folder that imports may read "
        f"(JOBYARD_IMPORT_ROOTS: {base}/nothing:{base}/pictures)"
    )
    assert refused(f"{base}/{path}", roots) == message
    with pytest.raises(WorkError) as raised:
        roots.check(f"{base}/{path}")
    assert raised.value.message == message


@pytest.mark.parametrize("target", ["secret", "secret/a.png"])
def test_a_link_out_of_a_root_is_refused(base: Path, roots: ImportRoots, target: str) -> None:
    (base / "pictures" / "link").symlink_to(base / target)
    assert "is not in a folder that imports may read" in refused(base / "pictures" / "link", roots)


@pytest.mark.parametrize("path", ["jobyard", "jobyard/storage", "jobyard/token"])
def test_jobyards_own_folder_is_refused(base: Path, roots: ImportRoots, path: str) -> None:
    assert "of Jobyard's own" in refused(base / "pictures" / path, roots)
    (base / "pictures" / "link").symlink_to(base / "pictures" / path)
    assert "of Jobyard's own" in refused(base / "pictures" / "link", roots)


@pytest.mark.parametrize("changed", ["pets", "pets/cats"])
def test_a_folder_that_becomes_a_link_after_it_was_looked_at_is_refused(
    base: Path, roots: ImportRoots, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    path = base / "pictures" / changed
    path.rename(base / "pictures" / "old")
    path.symlink_to(base / "secret")
    # As `real` found it a moment before.
    monkeypatch.setattr(opening, "real", lambda _: base / "pictures" / "pets" / "cats")
    assert "can't be read" in refused(base / "pictures" / "pets" / "cats", roots)


def test_what_is_neither_a_folder_nor_a_file_is_refused(base: Path, roots: ImportRoots) -> None:
    os.mkfifo(base / "pictures" / "pipe")
    assert refused(base / "pictures" / "pipe", roots).endswith("is neither a folder nor an archive")
    assert "No such file" in refused(base / "pictures" / "nothing", roots)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_in_a_root_is_read_more_than_once(base: Path, roots: ImportRoots, pack: object) -> None:
    path = base / "pictures" / "pets.archive"
    path.write_bytes(pack({"cats/a.png": b"a cat"}))  # type: ignore[operator]
    with opened(str(path), roots) as source:
        assert not isinstance(source, Folder)
        for _ in range(2):
            assert [member.name for member in walk(source, HUGE)] == ["cats/a.png"]


def test_without_roots_nothing_is_read(base: Path) -> None:
    assert "JOBYARD_IMPORT_ROOTS names no folder" in refused(base / "pictures", ImportRoots([]))


def test_no_descriptor_is_left_open(base: Path, roots: ImportRoots) -> None:
    before = sum(1 for _ in Path("/dev/fd").iterdir())
    names(base / "pictures" / "pets", roots)
    refused(base / "secret", roots)
    refused(base / "pictures" / "jobyard", roots)
    refused(base / "pictures" / "nothing", roots)
    assert sum(1 for _ in Path("/dev/fd").iterdir()) == before
