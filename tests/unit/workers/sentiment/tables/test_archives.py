"""An archive with one table is that table; of several, none is guessed."""

import contextlib
import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared.errors import WorkError
from tests.unit.workers.sentiment.conftest import Desk
from tests.workbooks import zipped

TABLE = b"id,text\n1,good\n2,bad\n"


def tarred(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize("member", ["tweets.csv", "data/2024/tweets.csv", "tweets", "tweets.dat"])
def test_an_archive_of_one_file_is_that_file(desk: Desk, member: str) -> None:
    for content, name in (
        (zipped({member: TABLE}), "in.zip"),
        (zipped({member: TABLE}), "in.csv"),
        (tarred({member: TABLE}), "in.tar"),
        (gzip.compress(tarred({member: TABLE})), "in.tar.gz"),
        (gzip.compress(tarred({member: TABLE})), "in.tgz"),
        (tarred({member: gzip.compress(TABLE)}), "in.tar"),
        (zipped({f"{member}.gz": gzip.compress(TABLE)}), "in.zip"),
    ):
        result = desk.score(content, name)
        assert (result["rows"], result["column"], result["warnings"]) == (2, "text", [])
        assert result["read_as"]["archive"] == ("tar" if ".t" in name else "zip")
        assert result["read_as"]["member"].removesuffix(".gz") == member


@pytest.mark.parametrize("name", ["in.csv.gz", "in.csv.tar.gz", "in.csv.zip"])
def test_a_table_that_is_called_as_if_it_was_packed_is_one(desk: Desk, name: str) -> None:
    """Pandas calls the member of an archive as the archive."""
    content = b"text\ngood\nbad\n"
    for uploaded, called in ((content, name), (gzip.compress(tarred({name: content})), "in.tar.gz")):
        result = desk.score(uploaded, called)
        assert (result["rows"], result["read_as"]["format"]) == (2, "csv")


def test_what_is_beside_a_table_is_left_out_and_said(desk: Desk) -> None:
    result = desk.score(
        zipped(
            {
                "README.txt": "about",
                "__MACOSX/._tweets.csv": "x",
                ".DS_Store": "x",
                "tweets.csv": TABLE,
                "cover.png": "x",
            }
        ),
        "in.zip",
    )
    assert (result["rows"], result["read_as"]["member"]) == (2, "tweets.csv")
    assert result["warnings"] == ["the archive's other files were left out: 'README.txt', 'cover.png'"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            zipped({"a.csv": TABLE, "b/c.csv": TABLE, "d.png": ""}),
            "the file is a zip archive of 2 tables: 'a.csv', 'b/c.csv'; should have one, so take the one "
            "that is meant out of it",
        ),
        (
            zipped({"a.png": "", "b": ""}),
            "the file is a zip archive of 2 files, none of which is called as tables are: 'a.png', 'b'; "
            "should have one, so take the one that is meant out of it",
        ),
        (zipped({}), "the file is a zip archive without files; should have one table"),
        (zipped({"a/": ""}), "the file is a zip archive without files; should have one table"),
        (
            zipped({"a.zip": zipped({"a.csv": TABLE})}),
            "the file is a zip archive in another archive; should be a table in one archive",
        ),
        (zipped({"word/document.xml": ""}), "the file is a Word document (.docx); should be"),
        (zipped({"mimetype": "application/epub+zip"}), "the file is an EPUB book; should be"),
        (zipped({"a.npy": "", "b.npy": ""}), "the file is a NumPy archive (.npz); should be"),
        (b"PK\x03\x04...", "the zip archive is truncated or damaged: "),
    ],
)
def test_other_archives_are_refused_by_what_is_in_them(desk: Desk, content: bytes, message: str) -> None:
    with pytest.raises(WorkError) as refused:
        desk.score(content, "in.zip")
    assert str(refused.value).startswith(message)
    assert [path.name for path in desk.folder.iterdir()] == ["source"]


def test_a_tar_archive_that_is_called_as_a_table_is_refused_by_its_true_name(desk: Desk) -> None:
    with pytest.raises(
        WorkError, match=r"the file is called \.json but is a tar archive; take the table out of it"
    ):
        desk.score(tarred({"reviews.json": b'{"text": "good"}\n'}), "reviews.json")


def test_an_encrypted_archive_is_refused(desk: Desk) -> None:
    packed = bytearray(zipped({"a.csv": TABLE}))
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(WorkError, match=r"'a.csv': the archive should not be encrypted"):
        desk.score(bytes(packed), "in.zip")


def test_an_archives_bomb_is_refused_at_the_limit(desk: Desk) -> None:
    desk.limit = 1_000_000
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.csv", b"text\n" + b"good\n" * 1_000_000)
    with pytest.raises(WorkError, match="unpacks to over 1,000,000 bytes; should unpack to fewer"):
        desk.score(file.getvalue(), "in.zip")
    assert [path.name for path in desk.folder.iterdir()] == ["source"]


@pytest.mark.parametrize("pack", [zipped, tarred])
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_archives_with_any_byte_changed_are_read_or_refused(
    desk: Desk, pack: object, data: st.DataObject
) -> None:
    assert callable(pack)
    packed = bytearray(pack({"a.csv": TABLE * 20}))
    packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WorkError):
        desk.score(bytes(packed), "in", errors="skip", column=2)
