"""Unpacking makes the whole folder or none, whoever else does the same."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jobyard.shared.errors import Cancelled, WorkError
from jobyard.workers.datasets import identical
from jobyard.workers.datasets.importer import import_pictures
from jobyard.workers.datasets.unpack import unpack
from tests.reports import NoMetrics
from tests.unit.workers.datasets.conftest import PETS, pack_zip


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    source = pack_zip(tmp_path / "source.zip", PETS)
    import_pictures(source, tmp_path / "pictures.zip", 10_000_000, NoMetrics())
    return tmp_path / "pictures.zip"


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_part_to_test_on_is_unpacked_too(tmp_path: Path, notes: NoMetrics) -> None:
    files = PETS | {"test/cats/e.png": PETS["train/cats/a.png"], "test/dogs/f.png": PETS["train/dogs/a.png"]}
    import_pictures(pack_zip(tmp_path / "source.zip", files), tmp_path / "pictures.zip", 10_000_000, notes)
    unpack(tmp_path / "pictures.zip", tmp_path / "pets", notes)
    assert content(tmp_path / "pets") == files


def test_what_was_imported_is_unpacked(archive: Path, tmp_path: Path, notes: NoMetrics) -> None:
    folder = tmp_path / "cache" / "pets"
    unpack(archive, folder, notes)
    assert content(folder) == PETS
    assert list(folder.parent.iterdir()) == [folder]
    assert notes.steps[-1] == (5, 5, "pictures")


def test_pictures_to_train_on_that_are_the_same_are_known_when_they_are_unpacked(
    tmp_path: Path, notes: NoMetrics
) -> None:
    one, other = PETS["train/cats/a.png"], PETS["train/cats/b.png"]
    files = PETS | {
        "train/dogs/b.png": one,
        "train/cats/c.png": other,
        "test/cats/a.png": one,
        "test/dogs/b.png": one,
    }
    import_pictures(pack_zip(tmp_path / "source.zip", files), tmp_path / "pictures.zip", 10_000_000, notes)
    unpack(tmp_path / "pictures.zip", tmp_path / "pets", notes)
    groups = identical.read(tmp_path / "pets")
    assert set(groups) == {"train/cats/a.png", "train/dogs/b.png", "train/cats/b.png", "train/cats/c.png"}
    assert groups["train/cats/a.png"] == groups["train/dogs/b.png"] != groups["train/cats/b.png"]


def test_a_folder_that_exists_is_left_as_it_is(tmp_path: Path, notes: NoMetrics) -> None:
    folder = tmp_path / "pets"
    folder.mkdir()
    unpack(tmp_path / "nowhere.zip", folder, notes)
    assert content(folder) == {}


def test_an_interruption_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    class Impatient(NoMetrics):
        def update(self, done: int, total: int | None, unit: str) -> None:
            if done == 3:
                raise Cancelled

    folder = tmp_path / "cache" / "pets"
    with pytest.raises(Cancelled):
        unpack(archive, folder, Impatient())
    assert list(folder.parent.iterdir()) == []


ALONE = """
import sys
from pathlib import Path
from jobyard.workers.datasets.unpack import unpack

class Silent:
    def phase(self, *_): pass
    def update(self, *_): pass

unpack(Path(sys.argv[1]), Path(sys.argv[2]), Silent())
"""


def test_several_processes_may_unpack_at_once(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "pets"
    root = Path(__file__).parents[4]
    processes = [
        subprocess.Popen([sys.executable, "-c", ALONE, str(archive), str(folder)], cwd=root) for _ in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert content(folder) == PETS
    assert list(folder.parent.iterdir()) == [folder]


def test_the_loser_of_a_race_keeps_the_winners_folder(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "pets"

    class Slow(NoMetrics):
        def update(self, done: int, total: int | None, unit: str) -> None:
            if done == 5:
                unpack(archive, folder, NoMetrics())

    unpack(archive, folder, Slow())
    assert content(folder) == PETS
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize(
    "name",
    ["../evil", "/train/cats/a", "train/../a", "train/cats/../a", "train/cats/.a", "tests/cats/a", "train/a"],
)
def test_names_that_the_importer_never_writes_are_refused(
    tmp_path: Path, notes: NoMetrics, name: str
) -> None:
    archive = pack_zip(tmp_path / "a.zip", {name: b"x"}, zipfile.ZIP_STORED)
    with pytest.raises(WorkError, match="should not be in the data set's archive"):
        unpack(archive, tmp_path / "cache" / "pets", notes)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_compressed_archive_is_refused(tmp_path: Path, notes: NoMetrics) -> None:
    archive = pack_zip(tmp_path / "a.zip", {"train/cats/a.png": bytes(1_000)})
    with pytest.raises(WorkError, match="should not be"):
        unpack(archive, tmp_path / "pets", notes)


def test_a_damaged_archive_is_refused(archive: Path, tmp_path: Path, notes: NoMetrics) -> None:
    damaged = bytearray(archive.read_bytes())
    damaged[damaged.index(PETS["train/cats/b.png"]) + 20] ^= 0xFF
    archive.write_bytes(damaged)
    with pytest.raises(WorkError, match="the data set's archive is damaged: Bad CRC-32"):
        unpack(archive, tmp_path / "pets", notes)
