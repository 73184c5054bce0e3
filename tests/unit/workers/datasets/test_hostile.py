"""Hostile and broken archives are refused with a reason, and nothing half-made stays."""

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared.archives import limits
from jobyard.shared.errors import WorkError
from jobyard.workers.datasets.importer import import_pictures
from tests.allocations import allocated
from tests.reports import NoMetrics
from tests.unit.workers.datasets.conftest import PETS, pack_tar, pack_zip, picture

LIMIT = 10_000_000


class Gate:
    """Expects that sources are refused, and that nothing is left behind."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "source"
        self.output = folder / "out" / "pictures.zip"

    def refuses(self, limit: int = LIMIT) -> str:
        before = sorted(self.source.parent.rglob("*"))
        with pytest.raises(WorkError) as raised:
            import_pictures(self.source, self.output, limit, NoMetrics())
        left = set(self.source.parent.rglob("*")) - set(before) - {self.output.parent}
        assert left == set()
        assert "\n" not in raised.value.message
        return raised.value.message


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


ESCAPES = [
    "../evil.png",
    "train/cats/../../../evil.png",
    "/etc/evil.png",
    "C:/evil.png",
    "c:evil.png",
    "..\\evil.png",
    "\\\\server\\share\\evil.png",
    "train/cats/..",
]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_zip_with_a_path_that_leads_out_is_refused(gate: Gate, name: str) -> None:
    pack_zip(gate.source, PETS | {name: picture()})
    assert repr(name) in gate.refuses()


@pytest.mark.parametrize("name", ESCAPES)
def test_a_tar_with_a_path_that_leads_out_is_refused(gate: Gate, name: str) -> None:
    pack_tar(gate.source, PETS | {name: picture()}, "w:gz")
    assert repr(name) in gate.refuses()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_a_tar_with_a_link_or_device_is_refused(gate: Gate, kind: bytes) -> None:
    pack_tar(gate.source, PETS)
    with tarfile.open(gate.source, "a") as archive:
        info = tarfile.TarInfo("train/cats/odd.png")
        info.type = kind
        info.linkname = "/etc/passwd"
        archive.addfile(info)
    assert gate.refuses() == (
        "'train/cats/odd.png': the archive should have no links or devices; "
        "`tar --dereference --hard-dereference` packs what links lead to"
    )


def test_a_zip_with_a_link_is_refused(gate: Gate) -> None:
    pack_zip(gate.source, PETS)
    with zipfile.ZipFile(gate.source, "a") as archive:
        info = zipfile.ZipInfo("train/cats/odd.png")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    assert gate.refuses() == (
        "'train/cats/odd.png': the archive should have no links or devices; zip what links lead to"
    )


def test_an_encrypted_zip_is_refused(gate: Gate) -> None:
    pack_zip(gate.source, PETS)
    content = bytearray(gate.source.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    gate.source.write_bytes(content)
    assert "the archive should not be encrypted" in gate.refuses()


def test_a_compression_that_python_lacks_is_named(gate: Gate) -> None:
    pack_zip(gate.source, PETS)
    content = bytearray(gate.source.read_bytes())
    content[content.index(b"PK\x01\x02") + 10] = 9
    gate.source.write_bytes(content)
    assert "compression method 9 is not supported; should be deflate" in gate.refuses()


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"Rar!\x1a\x07\x01\x00" * 200, b"\x89PNG\r\n\x1a\n", bytes(512) + b"x"]
)
def test_what_is_no_archive_is_said_to_be_none(gate: Gate, content: bytes) -> None:
    gate.source.write_bytes(content)
    assert any(word in gate.refuses() for word in ("should be a zip or tar archive", "no pictures"))


def test_a_compressed_file_that_is_no_tar_is_said_to_be_none(gate: Gate) -> None:
    gate.source.write_bytes(gzip.compress(b"hello" * 1_000))
    assert "should be a zip or tar archive" in gate.refuses()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "zip"])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_a_truncated_archive_is_refused(gate: Gate, mode: str, share: float) -> None:
    if mode == "zip":
        pack_zip(gate.source, PETS)
    else:
        pack_tar(gate.source, PETS, mode)
    content = gate.source.read_bytes()
    if mode == "w":
        content = content[: 1_024 * len(PETS)]  # without the padding to 10,240 bytes
    gate.source.write_bytes(content[: int(len(content) * share)])
    assert "truncated" in gate.refuses()


def test_a_tar_cut_between_two_members_is_refused(gate: Gate) -> None:
    pack_tar(gate.source, PETS)
    gate.source.write_bytes(gate.source.read_bytes()[: 1_024 * (len(PETS) - 1)])
    assert gate.refuses() == "the tar archive is truncated or damaged"


def test_a_zip_member_that_is_damaged_is_rejected_alone(gate: Gate) -> None:
    pack_zip(gate.source, PETS, zipfile.ZIP_STORED)
    content = bytearray(gate.source.read_bytes())
    content[content.index(PETS["train/cats/b.png"]) + 60] ^= 0xFF
    gate.source.write_bytes(content)
    imported = import_pictures(gate.source, gate.output, LIMIT, NoMetrics())
    assert imported.pictures == len(PETS) - 1
    assert imported.rejected[0]["file"] == "train/cats/b.png"
    assert "Bad CRC-32" in imported.rejected[0]["reason"]


def test_over_the_limit_is_refused_by_what_the_archive_says(gate: Gate) -> None:
    pack_zip(gate.source, PETS | {"train/cats/zeros.png": bytes(LIMIT)})
    assert gate.refuses() == "the pictures unpack to over 10,000,000 bytes; should unpack to fewer"


def test_members_that_share_their_data_are_refused(gate: Gate) -> None:
    """The bomb of overlapping members: little data, referred to many times by the directory."""
    pack_zip(gate.source, {"train/cats/0.png": bytes(1_000_000)})
    content = gate.source.read_bytes()
    start = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    entry = content[start:end]
    directory = entry * 50
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 50, 50, len(directory), start, 0)
    gate.source.write_bytes(content[:start] + directory + tail)
    assert gate.refuses(limit=100_000_000) == (
        "the zip archive has members that overlap; each should have bytes of its own"
    )


def test_a_zip_that_lies_about_a_size_yields_no_more_than_it_said(gate: Gate) -> None:
    pack_zip(gate.source, PETS | {"train/cats/zeros.png": picture(9) + bytes(LIMIT)})
    content = bytearray(gate.source.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 1_000)
    gate.source.write_bytes(content)
    imported = import_pictures(gate.source, gate.output, LIMIT, NoMetrics())
    assert [row["file"] for row in imported.rejected] == ["train/cats/zeros.png"]


def test_ten_gigabytes_are_refused_by_the_header_alone(gate: Gate) -> None:
    info = tarfile.TarInfo("train/cats/zeros.png")
    info.size = 10 * 1024**3
    gate.source.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(10_000)))
    assert "'train/cats/zeros.png' is too large (10,737,418,240 bytes)" in gate.refuses(100 * 1024**3)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_tar_header_of_a_gigabyte_takes_no_memory(gate: Gate, kind: bytes) -> None:
    info = tarfile.TarInfo("long")
    info.type = kind
    info.size = 1024**3
    with gzip.open(gate.source, "wb", compresslevel=1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(50_000_000))
    with allocated() as peak:
        message = gate.refuses(100 * 1024**3)
    assert "archive" in message
    assert peak.bytes < 10_000_000


def test_too_many_members_are_refused(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_MEMBERS", 4)
    pack_zip(gate.source, PETS)
    assert gate.refuses() == "the archive should have at most 4 members"


def test_a_zip_in_the_zip_stays_closed(gate: Gate) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("cats/x.png", picture())
    pack_zip(gate.source, {"cats/inner.zip": inner.getvalue(), "dogs/a.png": picture()})
    assert "the class 'cats' has no picture" in gate.refuses()


PARTS = st.sampled_from(
    ["..", ".", "", "a", "train", "cats", "dogs", "C:", "~", "%2e%2e", "...", " ..", "‥", "．．"]
)


@given(
    st.lists(st.lists(PARTS, min_size=1, max_size=5).map("/".join), min_size=1, max_size=3),
    st.sampled_from(["/", "\\"]),
    st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_path_writes_outside_of_the_output(
    gate: Gate, paths: list[str], separator: str, as_tar: bool
) -> None:
    files = PETS | {path.replace("/", separator) + ".png": picture(7) for path in paths}
    (pack_tar if as_tar else pack_zip)(gate.source, files)
    gate.output.unlink(missing_ok=True)
    before = set(gate.source.parent.rglob("*")) | {gate.output.parent}
    hostile = any(
        ".." in path.split("/") or path.startswith(("/", "C:")) for path in (f"{p}.png" for p in paths)
    )
    try:
        import_pictures(gate.source, gate.output, LIMIT, NoMetrics())
        assert not hostile
        assert set(gate.source.parent.rglob("*")) - before == {gate.output}
    except WorkError:
        assert set(gate.source.parent.rglob("*")) - before == set()


@given(
    st.binary(max_size=600),
    st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\x00"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_refused_with_a_reason(gate: Gate, content: bytes, start: bytes) -> None:
    gate.source.write_bytes(start + content)
    assert gate.refuses()


@given(
    st.sampled_from(["zip", "w", "w:gz"]),
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=6),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_damaged_archive_is_imported_or_refused(
    gate: Gate, mode: str, damage: list[tuple[int, int]]
) -> None:
    if mode == "zip":
        pack_zip(gate.source, PETS)
    else:
        pack_tar(gate.source, PETS, mode)
    content = bytearray(gate.source.read_bytes())
    for place, value in damage:
        content[place % len(content)] = value
    gate.source.write_bytes(content)
    try:
        told = str(import_pictures(gate.source, gate.output, LIMIT, NoMetrics()))
    except WorkError as error:
        told = error.message
    assert told
