"""A zip can't cost more than its size allows, whatever its tables say."""

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from jobyard.shared.archives import limits
from jobyard.shared.archives.members import DAMAGED
from jobyard.shared.archives.walk import walk
from jobyard.shared.archives.zips import MAX_DIRECTORY_BYTES, open_zip, read_member
from jobyard.shared.errors import WorkError
from tests import hostile
from tests.allocations import allocated
from tests.factories import zipped
from tests.hostile import BZIP2, MIB, entry

HUGE = 1 << 40
TOO_MANY = limits.MAX_MEMBERS + 1


@pytest.mark.parametrize(
    "content",
    [
        hostile.zip64_of(entry(b"x", b""), TOO_MANY),
        hostile.zip_of(entry(b"x", b"") * TOO_MANY, 10),
        hostile.zip64_of(entry(b"x", b"") * TOO_MANY, 10),
    ],
    ids=["the end says so", "the end lies", "the end of zip64 lies"],
)
def test_too_many_members_are_refused_before_any_object_is_made(content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "many.zip"
    source.write_bytes(content)
    with allocated() as peak, pytest.raises(WorkError) as raised:
        list(walk(source, HUGE))
    assert raised.value.message == "the archive should have at most 500,000 members"
    assert peak.bytes < len(content) + MIB


def test_a_list_of_members_over_the_limit_is_not_read(tmp_path: Path) -> None:
    source = tmp_path / "long.zip"
    entries = entry(b"n" * 60_000, b"")
    source.write_bytes(hostile.zip_of(entries * (MAX_DIRECTORY_BYTES // len(entries) + 1), 10))
    with allocated() as peak, pytest.raises(WorkError, match="is damaged, or has over 500,000 members"):
        list(walk(source, HUGE))
    assert peak.bytes < MIB


@pytest.mark.parametrize("members", [2, 100])
def test_members_that_are_the_same_bytes_are_refused(members: int, tmp_path: Path) -> None:
    source = tmp_path / "overlapping.zip"
    source.write_bytes(hostile.overlapping_zip(members, 10_000))
    with pytest.raises(WorkError, match="members that overlap"):
        list(walk(source, HUGE))


def test_zeros_may_unpack_only_to_what_the_archive_may(tmp_path: Path) -> None:
    source = tmp_path / "zeros.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(3):
            archive.writestr(f"cats/{number}.png", bytes(4 * MIB))
    with pytest.raises(WorkError, match="unpack to over 10,000,000 bytes"):
        list(walk(source, 10_000_000))


def deflated_zeros(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(size // MIB)) + packer.flush()


@pytest.mark.parametrize(
    ("method", "zeros"),
    [(BZIP2, hostile.bzip2_of_zeros), (zipfile.ZIP_DEFLATED, deflated_zeros)],
    ids=["bzip2", "deflate"],
)
def test_a_member_that_says_that_it_is_small_is_read_no_further(
    method: int, zeros: Callable[[int], bytes]
) -> None:
    """zipfile unpacks all that it reads at once: of bzip2 4 kB, of deflate as much as one call asks for."""
    content = hostile.zip_of_one(b"cats/a.png", zeros(128 * MIB), method=method, size=1_000)
    with open_zip(io.BytesIO(content)) as archive, allocated() as peak, pytest.raises(DAMAGED):
        read_member(archive, archive.infolist()[0])
    assert peak.bytes < 8 * MIB


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_member_is_read_whole(method: int) -> None:
    content = bytes(range(256)) * 4_000
    with open_zip(io.BytesIO(zipped({"a.png": content, "empty": b""}, method))) as archive:
        assert [read_member(archive, info) for info in archive.infolist()] == [content, b""]


def test_more_members_than_two_bytes_can_count_are_fine_without_zip64(tmp_path: Path) -> None:
    """As macOS writes them: the count starts over at 65,536."""
    source = tmp_path / "many.zip"
    entries = b"".join(entry(b"%d" % number, b"") for number in range(70_000))
    source.write_bytes(hostile.zip_of(entries, 70_000 % 65_536))
    assert sum(1 for _ in walk(source, HUGE)) == 70_000
