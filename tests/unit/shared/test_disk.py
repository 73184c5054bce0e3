"""The free space of the disk, and what a job may write."""

import errno
import io
from pathlib import Path

import pytest

from jobyard.shared.config import ALWAYS_OUTPUT_BYTES, Settings
from jobyard.shared.disk import CHECK_BYTES, Disk, Room, free_bytes, is_full
from jobyard.shared.errors import DiskFull, WorkError


def test_the_disk_is_full_while_less_than_the_minimum_is_free(tmp_path: Path) -> None:
    free = free_bytes(tmp_path)
    folder = tmp_path / "not" / "there" / "yet"
    Disk([folder], free // 2).check()
    Disk([folder], 4 * free).check(share=0.1)
    with pytest.raises(DiskFull, match=r"bytes are free at .*; at least .* should stay free"):
        Disk([folder], 2 * free).check()
    with pytest.raises(DiskFull, match="bytes are needed, and at least 1 should stay free"):
        Disk([folder], 1).check(2 * free)


def test_what_a_job_writes_is_counted_to_the_byte() -> None:
    room = Room(100, what="the scored file")
    room.take(60)
    room.take(40)
    with pytest.raises(WorkError, match="the scored file would have over 100 bytes"):
        room.take(1)
    room.afresh().take(100)


def test_the_disk_is_looked_at_while_much_is_written(tmp_path: Path) -> None:
    disk = Disk([tmp_path], 0)
    room = Room(None, disk)
    room.take(1)
    disk._least = 2 * free_bytes(tmp_path)
    room.take(CHECK_BYTES - 1)
    with pytest.raises(DiskFull):
        room.take(1)
    with pytest.raises(DiskFull):
        disk.watched(io.BytesIO(b"x")).read()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_recognized_behind_other_errors(number: int) -> None:
    full = OSError(number, "full")
    wrapped = WorkError("the picture can't be read")
    wrapped.__context__ = full
    assert is_full(full)
    assert is_full(wrapped)
    assert is_full(OSError("can't write: No space left on device"))
    assert is_full(DiskFull())
    assert not is_full(OSError(errno.EIO, "broken"))
    assert not is_full(WorkError("No space left on device"))  # a user's words


def test_a_small_upload_may_become_a_large_output_and_a_large_one_a_multiple() -> None:
    settings = Settings(max_output_ratio=300)
    assert settings.max_output_bytes(1) == ALWAYS_OUTPUT_BYTES
    assert settings.max_output_bytes(10_000_000) == 3_000_000_000
