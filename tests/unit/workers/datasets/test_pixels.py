"""Pictures are decoded once per machine and size; whatever becomes of the cache, the pixels are right."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobyard.shared.errors import Cancelled, DiskFull, WorkError
from jobyard.shared.pictures import BLACK, WHITE, prepared
from jobyard.workers.datasets import array_cache, pixels
from jobyard.workers.datasets.pixels import DecodedDataset, decode_once
from tests.factories import draw_dataset
from tests.pictures import saved
from tests.reports import NoMetrics


class Desk:
    """A data set of eight pictures, and jobs that want it decoded; each has a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(draw_dataset(folder / "set" / "train", per_class=4).rglob("*.png"))
        self.cache = folder / "cache" / "pixels"
        self._folder = folder
        self._jobs = 0

    def decode(
        self,
        size: int = 32,
        version: str = "a",
        notes: NoMetrics | None = None,
        background: str | None = WHITE,
    ) -> DecodedDataset:
        notes = notes or NoMetrics()
        return decode_once(self.files, size, self.draft(), notes, self.cache, version, background=background)

    def draft(self) -> Path:
        self._jobs += 1
        scratch = self._folder / f"job{self._jobs}"
        scratch.mkdir()
        return scratch / "pictures.npy"

    @property
    def entries(self) -> list[Path]:
        return sorted(self.cache.glob("*"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def assert_right(decoded: DecodedDataset, files: list[Path], size: int = 32) -> None:
    assert decoded.pixels.shape == (len(files), size, size, 3)
    for path in files:
        with path.open("rb") as file:
            expected = prepared(file, size)
        np.testing.assert_array_equal(decoded.pixels[decoded.rows[pixels.place_of(path)]], expected)


def test_the_second_job_decodes_nothing(desk: Desk) -> None:
    first, second = NoMetrics(), NoMetrics()
    assert_right(desk.decode(notes=first), desk.files)
    again = desk.decode(notes=second)
    assert_right(again, desk.files)
    assert isinstance(again.pixels, np.memmap)
    assert first.steps == [(done, 8, "pictures") for done in range(1, 9)]
    assert second.steps == []
    assert len(desk.entries) == 1


def test_the_order_in_which_a_job_wants_them_makes_no_other_entry(desk: Desk) -> None:
    desk.decode()
    desk.files.reverse()
    assert_right(desk.decode(), desk.files)
    assert len(desk.entries) == 1


def test_each_background_has_its_own_entry(desk: Desk) -> None:
    transparent = Image.new("RGBA", (32, 32), (0, 99, 0, 0))
    desk.files[0].write_bytes(saved(transparent))
    place = pixels.place_of(desk.files[0])
    colours = {WHITE: (255, 255, 255), BLACK: (0, 0, 0), "#102030": (16, 32, 48), None: (0, 99, 0)}
    for _ in range(2):
        for background, colour in colours.items():
            decoded = desk.decode(background=background)
            assert tuple(decoded.pixels[decoded.rows[place], 9, 9]) == colour
    assert len(desk.entries) == len(colours)


def test_another_size_version_or_name_is_another_entry(desk: Desk) -> None:
    desk.decode()
    assert_right(desk.decode(size=48), desk.files, 48)
    desk.decode(version="b")
    desk.files[0] = desk.files[0].rename(desk.files[0].with_name("zzz.png"))
    assert_right(desk.decode(), desk.files)
    assert len(desk.entries) == 4


def test_without_a_cache_the_draft_is_the_result(desk: Desk) -> None:
    draft = desk.draft()
    assert_right(decode_once(desk.files, 32, draft, NoMetrics()), desk.files)
    assert draft.exists()
    assert desk.entries == []


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"nonsense"])
def test_a_damaged_entry_is_made_anew(desk: Desk, damage: bytes) -> None:
    desk.decode()
    desk.entries[0].write_bytes(damage)
    assert_right(desk.decode(), desk.files)
    assert len(desk.entries) == 1


def test_a_truncated_entry_is_made_anew(desk: Desk) -> None:
    desk.decode()
    os.truncate(desk.entries[0], 5_000)
    assert_right(desk.decode(), desk.files)


def test_who_is_told_to_stop_leaves_no_entry(desk: Desk) -> None:
    class Impatient(NoMetrics):
        def update(self, done: int, total: int | None, unit: str) -> None:
            if done == 3:
                raise Cancelled

    with pytest.raises(Cancelled):
        desk.decode(notes=Impatient())
    assert desk.entries == []
    assert_right(desk.decode(), desk.files)


def test_a_file_that_is_no_picture_is_named_and_leaves_no_entry(desk: Desk) -> None:
    desk.files[5].write_bytes(b"not a picture")
    with pytest.raises(WorkError, match=r"squares/001\.png not a picture: should be JPEG"):
        desk.decode()
    assert desk.entries == []


def test_an_entry_that_is_removed_stays_readable_to_who_has_it(desk: Desk) -> None:
    decoded = desk.decode()
    shutil.rmtree(desk.cache)
    assert_right(decoded, desk.files)


def test_over_its_limit_the_cache_loses_what_was_used_longest_ago(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.decode(version="a")
    size = desk.entries[0].stat().st_size
    monkeypatch.setattr(array_cache, "MAX_BYTES", 2 * size + 100)
    desk.decode(version="b")
    for age, entry in enumerate(desk.entries):
        os.utime(entry, (age, age))
    oldest, newer = sorted(desk.entries, key=lambda entry: entry.stat().st_mtime)
    desk.decode(version="c")
    assert len(desk.entries) == 2
    assert newer in desk.entries
    assert oldest not in desk.entries


def test_what_is_used_is_not_what_was_used_longest_ago(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.decode(version="a")
    (used,) = desk.entries
    size = used.stat().st_size
    desk.decode(version="b")
    for age, entry in enumerate([used, *(entry for entry in desk.entries if entry != used)], 1):
        os.utime(entry, (age, age))
    desk.decode(version="a")
    monkeypatch.setattr(array_cache, "MAX_BYTES", 2 * size + 100)
    desk.decode(version="c")
    assert used in desk.entries


def test_a_full_disk_costs_the_cache_its_entries_before_it_costs_the_job(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.decode(version="a")
    (old,) = desk.entries
    usage = shutil.disk_usage(desk.cache)

    def nearly_full(_: Path) -> object:
        return usage._replace(free=0 if old.exists() else 10**9)

    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    assert_right(desk.decode(version="b"), desk.files)
    assert not old.exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    with pytest.raises(DiskFull, match=r"need 0\.0 GB of disk, 0\.0 GB are free"):
        desk.decode(version="c")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(total=1_000, free=0))
    with pytest.raises(WorkError, match="lower image_size"):  # it never will be large enough
        desk.decode(version="c")


ALONE = """
import sys
from pathlib import Path
from jobyard.workers.datasets.pixels import decode_once
from jobyard.workers.runtime.progress import NoProgress

folder, scratch, cache = map(Path, sys.argv[1:])
decoded = decode_once(folder.rglob("*.png"), 32, scratch / "pictures.npy", NoProgress(), cache, "a")
print(int(decoded.pixels.sum()))
"""


@pytest.fixture
def scratches(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / f"scratch{number}" for number in range(3)]
    for folder in folders:
        folder.mkdir()
    return folders


def test_several_processes_may_make_the_same_entry_at_once(desk: Desk, scratches: list[Path]) -> None:
    root = Path(__file__).parents[4]
    pictures = desk.files[0].parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ALONE, str(pictures), str(scratch), str(desk.cache)],
            cwd=root,
            stdout=subprocess.PIPE,
            text=True,
        )
        for scratch in scratches
    ]
    said = {process.communicate()[0].strip() for process in processes}
    assert said == {str(int(desk.decode().pixels.sum()))}
    assert len(desk.entries) == 1
    assert_right(desk.decode(), desk.files)
