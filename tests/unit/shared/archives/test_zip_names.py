"""Names in a zip are what its maker wrote, whatever it says of their encoding."""

import io
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path

import pytest

from jobyard.shared.archives.gathering import gather
from jobyard.shared.archives.layout import lay_out_folders
from jobyard.shared.archives.members import Member
from jobyard.shared.archives.walk import walk
from jobyard.shared.archives.zip_names import names_of
from jobyard.shared.errors import WorkError

DOS, UNIX = 0, 3


def zip_of(names: list[bytes], made_by: int = DOS, extra: bytes = b"", flags: int = 0) -> bytes:
    """A zip of empty files whose names are these bytes."""
    out, central = b"", b""
    for name in names:
        at = len(out)
        sizes = (0, 0, 0, len(name), len(extra))
        out += struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, 0, 0, 0x21, *sizes) + name + extra
        head = struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", made_by << 8 | 20, 20, flags, 0, 0, 0x21, *sizes, 0, 0, 0, 0, at
        )
        central += head + name + extra
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(names), len(names), len(central), len(out), 0)
    return out + central + tail


def read(content: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [name.text for name in names_of(archive.infolist())]


def members(folder: Path, content: bytes) -> list[Member]:
    source = folder / "a.zip"
    source.write_bytes(content)
    return list(walk(source, 1 << 20))


@pytest.mark.parametrize("flags", [0, 0x800])
def test_utf_8_needs_no_flag(flags: int) -> None:
    name = unicodedata.normalize("NFD", "Äpfel/1.png")
    assert read(zip_of([name.encode(), b"Birnen/1.png"], UNIX, flags=flags)) == [name, "Birnen/1.png"]


def test_the_extra_field_of_info_zip_says_the_name() -> None:
    raw = "Äpfel.png".encode("cp437")
    told = "Äpfel – groß.png".encode()
    data = struct.pack("<BL", 1, zlib.crc32(raw)) + told
    field = struct.pack("<HH", 0x5455, 1) + b"\0" + struct.pack("<HH", 0x7075, len(data)) + data
    assert read(zip_of([raw], extra=field)) == [told.decode()]
    plain = struct.pack("<BL", 1, zlib.crc32(b"?pfel.png")) + told
    field_of_plain = struct.pack("<HH", 0x7075, len(plain)) + plain
    assert read(zip_of([b"?pfel.png"], extra=field_of_plain)) == [told.decode()]
    assert read(zip_of(["Öpfel.png".encode("cp437")], extra=field)) == ["Öpfel.png"], "it is of another name"


def test_names_that_are_not_all_utf_8_are_in_a_code_page() -> None:
    """猫 in gb2312 would be è in UTF-8."""
    names = ["猫/苹果.png", "香蕉/1.png", "dog/1.png"]
    assert read(zip_of([name.encode("gb2312") for name in names])) == names


def test_a_letter_with_a_backslash_in_it_is_no_folder(tmp_path: Path) -> None:
    names = ["表/猫.png", "花/能.png"]
    found = members(tmp_path, zip_of([name.encode("shift_jis") for name in names]))
    assert [member.parts for member in found] == [("表", "猫.png"), ("花", "能.png")]
    assert {member.page for member in found} == {"shift_jis"}
    layout = lay_out_folders(gather(found))
    assert layout.classes == {"train": ["花", "表"]}
    assert layout.warnings == ["names are in no stated encoding and were read as shift_jis (表/猫.png)"]


def test_a_class_whose_name_can_not_be_known_is_refused_and_a_file_is_not(tmp_path: Path) -> None:
    found = members(tmp_path, zip_of(["猫/1.png".encode("gb2312"), "花/1.png".encode("gb2312")]))
    with pytest.raises(
        WorkError, match="the zip does not say in which encoding this name is, and it could be"
    ):
        gather(found)
    found = members(tmp_path, zip_of([b"cats/1.png", "dogs/花.png".encode("gb2312")]))
    assert lay_out_folders(gather(found)).classes == {"train": ["cats", "dogs"]}


def test_classes_on_disk_or_in_a_tar_that_are_in_latin_1_are_read() -> None:
    files = [("k\udce4tzchen", "1.png"), ("hunde", "\udcff.png")]
    layout = lay_out_folders(gather([Member(path, False, 0, io.BytesIO) for path in files]))
    assert layout.classes == {"train": ["hunde", "kätzchen"]}
    assert layout.warnings == ["names are in no stated encoding and were read as iso8859-1 (kätzchen)"]
    place = layout.take(files[1])
    assert place is not None
    assert place.file_name == "_.png"
    unknown = [("\udcca\udcc8", "1.png"), ("hunde", "1.png")]
    with pytest.raises(WorkError, match=r"the name of the class '.+' is not UTF-8, and it could be"):
        lay_out_folders(gather([Member(path, False, 0, io.BytesIO) for path in unknown]))
