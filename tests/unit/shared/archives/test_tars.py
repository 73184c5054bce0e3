"""A tar can't cost more than its size allows, whatever its headers say."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from jobyard.shared.archives import limits
from jobyard.shared.archives.walk import walk
from jobyard.shared.errors import WorkError
from tests import hostile
from tests.allocations import allocated
from tests.factories import picture, tarred
from tests.hostile import END_OF_TAR, MIB, TAR_BOMBS, header, tar_gz

# Far more than the archives here may unpack to.
HUGE = 1 << 40

REFUSALS = {
    "a file that is sparse": "should have no sparse files",
    "a size below 0": "two sizes of one file",
    "one size for all members": "two sizes of one file",
    "small headers for all members": "at most 32 headers for all of its files",
}


@pytest.mark.parametrize("name", TAR_BOMBS)
def test_headers_without_an_end_are_refused_before_they_fill_the_memory(name: str, tmp_path: Path) -> None:
    source = tmp_path / "bomb.tar.gz"
    source.write_bytes(tar_gz([*TAR_BOMBS[name], END_OF_TAR]))
    with allocated() as peak, pytest.raises(WorkError) as raised:
        list(walk(source, HUGE))
    assert REFUSALS.get(name, "headers that are too long") in raised.value.message
    assert "\n" not in raised.value.message
    assert peak.bytes < 8 * MIB


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_zeros_are_unpacked_only_so_far_as_the_archive_may(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    member = header("cats/a.png", 4 * MIB) + bytes(4 * MIB)
    source = tmp_path / "zeros.tar"
    source.write_bytes(pack(member * 4 + END_OF_TAR))
    seen = 0
    with pytest.raises(WorkError, match="unpack to over 10,000,000 bytes"):
        for seen, _ in enumerate(walk(source, 10_000_000), 1):  # noqa: B007 (the last one counts)
            pass
    assert seen == 2


def test_xz_that_asks_for_gigabytes_of_memory_is_refused(tmp_path: Path) -> None:
    content = bytearray(lzma.compress(header("cats/a.png") + END_OF_TAR, filters=[
        {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}
    ]))  # fmt: skip
    source = tmp_path / "greedy.tar.xz"
    source.write_bytes(content)
    with allocated() as peak, pytest.raises(WorkError, match=r"can't be unpacked: .*[Mm]emory usage limit"):
        list(walk(source, HUGE))
    assert peak.bytes < 8 * MIB


@pytest.mark.parametrize("streams", [1, 2])
def test_xz_of_several_streams_and_padding_is_read(tmp_path: Path, streams: int) -> None:
    content = tarred({f"cats/{number}.png": picture() + bytes(70_000) for number in range(5)})
    cut = len(content) // streams
    pieces = [content[at : at + cut] for at in range(0, len(content), cut)]
    source = tmp_path / "a.tar.xz"
    source.write_bytes(b"".join(lzma.compress(piece) + bytes(8) for piece in pieces))
    for member in walk(source, HUGE):
        with member.open() as file:
            assert file.read() == picture() + bytes(70_000)
    source.write_bytes(source.read_bytes()[:-200])
    with pytest.raises(WorkError, match="truncated"):
        list(walk(source, HUGE))


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"Rar!\x1a\x07\x01\x00", "a RAR archive: unpack it, and give the folder or a zip of it"),
        (b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it first"),
        (b"%PDF-1.7", "a PDF"),
        (b"<!DOCTYPE html><title>Sign in", "a web page"),
        (b"hello", None),
    ],
)
def test_what_is_no_archive_is_called_by_its_name(tmp_path: Path, head: bytes, said: str | None) -> None:
    source = tmp_path / "a.zip"
    source.write_bytes(head + bytes(2_000))
    with pytest.raises(WorkError) as raised:
        list(walk(source, HUGE))
    assert raised.value.message.endswith(f", but is {said}" if said else "bzip2 or xz)")


def test_long_names_all_in_all_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_NAMES_BYTES", 100_000)
    source = tmp_path / "names.tar"
    source.write_bytes(tarred({f"cats/{number}{'n' * 200}.png": b"" for number in range(1_000)}))
    with pytest.raises(WorkError, match="names that are too long"):
        list(walk(source, HUGE))


@pytest.mark.parametrize("names", [limits.MAX_DEPTH + 1, 2_000])
def test_a_path_of_too_many_names_is_refused_with_its_cause(names: int, tmp_path: Path) -> None:
    source = tmp_path / "deep.tar.gz"
    source.write_bytes(hostile.deep_paths(3, names))
    with pytest.raises(WorkError) as raised:
        list(walk(source, HUGE))
    assert raised.value.message.endswith(
        f"lies in {names - 1:,} folders, one inside the other; a path should have at most 32 names"
    )
    assert len(raised.value.message) < 400


def test_a_path_of_as_many_names_as_allowed_is_fine(tmp_path: Path) -> None:
    source = tmp_path / "deep.tar.gz"
    source.write_bytes(hostile.deep_paths(3, limits.MAX_DEPTH))
    assert [len(member.parts) for member in walk(source, HUGE)] == [limits.MAX_DEPTH] * 3


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_what_programs_write_into_headers_is_no_reason_to_refuse(form: int, tmp_path: Path) -> None:
    """Times with fractions, long names, attributes of files, a comment for all."""
    source = tmp_path / "honest.tar.gz"
    with tarfile.open(source, "w:gz", format=form, pax_headers={"comment": "by a program"}) as archive:
        for number in range(300):
            info = tarfile.TarInfo(f"photographs/{'a long name, ' * 15}{number}/Äpfel-{number}.png")
            info.mtime = 1_700_000_000.5
            info.pax_headers = {"SCHILY.xattr.user.note": "x" * 4_000}
            archive.addfile(info)
    assert sum(1 for _ in walk(source, HUGE)) == 300


def test_a_large_member_can_be_read_at_once(tmp_path: Path) -> None:
    source = tmp_path / "large.tar"
    content = picture() + bytes(3 * MIB)
    source.write_bytes(tarred({"cats/a.png": content}))
    for member in walk(source, HUGE):
        with member.open() as file:
            assert file.read() == content
