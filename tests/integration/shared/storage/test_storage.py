"""Bytes in the storage, local and not, and their rows in SQL."""

import hashlib
import io
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import fsspec
import pytest
import sqlalchemy as sa

from jobyard.shared import storage
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import NotFound, StorageRefused, TooLarge
from jobyard.shared.storage import CHUNK_BYTES, Reason, Storage
from jobyard.shared.storage.identity import NAME as IDENTITY
from tests.factories import new_job, storage_of

KEY = re.compile(r"files/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    """What keeps the storage's intents, where it does not matter which database does."""
    opened = Database(sqlite_url)
    yield opened
    opened.dispose()


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, sqlite: Database, tmp_path: Path) -> Storage:
    """The storage on a local folder, and on a file system that is not local."""
    if request.param == "local":
        return Storage((tmp_path / "storage").as_uri(), sqlite)
    return storage_of(sqlite)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def all_files(store: Storage) -> list[str]:
    """But for the identity."""
    fs, root = store.objects._fs, store.objects._root
    try:
        found: list[str] = fs.find(root)
    except FileNotFoundError:
        return []
    return [path for path in found if not path.endswith(f"/{IDENTITY}")]


class Broken(io.RawIOBase):
    """A client that goes away in the middle of its upload."""

    def __init__(self) -> None:
        self.reads = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self.reads += 1
        if self.reads == 3:
            raise ConnectionResetError("the client went away")
        return b"x" * min(size, CHUNK_BYTES)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 1])
def test_what_is_put_is_there_whole_with_its_size_and_sha256(store: Storage, size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    stored = store.put("files", io.BytesIO(content), limit=size)
    assert KEY.fullmatch(stored.key)
    assert (stored.bytes, stored.sha256) == (size, hashlib.sha256(content).hexdigest())
    with store.open(stored.key) as file:
        assert file.read() == content


def test_past_the_limit_nothing_is_left(store: Storage) -> None:
    content = b"x" * (2 * CHUNK_BYTES)
    with pytest.raises(TooLarge, match=f"at most {2 * CHUNK_BYTES - 1:,} bytes"):
        store.put("files", io.BytesIO(content), limit=2 * CHUNK_BYTES - 1)
    assert all_files(store) == []


def test_an_upload_that_breaks_off_leaves_nothing(store: Storage) -> None:
    stream: Any = Broken()
    with pytest.raises(ConnectionResetError):
        store.put("files", stream)
    assert all_files(store) == []


def test_the_same_content_twice_is_two_files(store: Storage) -> None:
    first, second = (store.put("files", io.BytesIO(b"same")) for _ in range(2))
    assert first.key != second.key
    store.objects.delete(first.key)
    with store.open(second.key) as file:
        assert file.read() == b"same"


def test_delete_removes_and_once_more_is_no_error(store: Storage) -> None:
    stored = store.put("files", io.BytesIO(b"x"))
    for _ in range(2):
        assert store.remove([stored.key], Reason.DELETED) == 1
    assert all_files(store) == []


def test_what_is_gone_is_not_found(store: Storage, scratch: Path) -> None:
    with pytest.raises(NotFound, match="missing from the storage"):
        store.open("files/gone")
    with pytest.raises(NotFound, match="missing from the storage"), store.local("files/gone", scratch):
        pass
    assert list(scratch.iterdir()) == []


def test_a_stored_file_is_a_path_on_this_machine_and_the_storage_keeps_it(
    store: Storage, scratch: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100)
    stored = store.put_file("models", source)
    with store.local(stored.key, scratch) as path:
        assert path.read_bytes() == b"x" * 100
    assert list(scratch.iterdir()) == []
    with store.open(stored.key) as file:
        assert file.read() == b"x" * 100
    assert source.exists()


def test_a_file_can_be_moved_into_the_storage(store: Storage, scratch: Path) -> None:
    (scratch / "large").write_bytes(b"checkpoint")
    key = store.move_file("files", scratch / "large")

    assert KEY.fullmatch(key)
    with store.open(key) as file:
        assert file.read() == b"checkpoint"
    assert list(scratch.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        store.move_file("files", scratch / "large")
    assert len(all_files(store)) == 1


def test_a_file_that_is_taken_over_is_known_and_gone_from_where_it_was(store: Storage, scratch: Path) -> None:
    (scratch / "scored").write_bytes(b"scored")
    stored = store.take_file("scored", scratch / "scored")

    assert (stored.bytes, stored.sha256) == (6, hashlib.sha256(b"scored").hexdigest())
    with store.open(stored.key) as file:
        assert file.read() == b"scored"
    assert list(scratch.iterdir()) == []


def test_a_copy_of_a_file_that_is_not_local_is_gone_after_an_error_too(
    sqlite: Database, scratch: Path
) -> None:
    store = storage_of(sqlite)
    stored = store.put("files", io.BytesIO(b"x"))

    def use() -> None:
        with store.local(stored.key, scratch) as path:
            assert path.parent == scratch
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert list(scratch.iterdir()) == []


def test_a_stored_file_can_be_read_from_the_middle(store: Storage) -> None:
    stored = store.put("files", io.BytesIO(b"0123456789"))
    file: IO[bytes]
    with store.open(stored.key) as file:
        file.seek(5)
        assert file.read(2) == b"56"


def test_check_writes_nothing(store: Storage, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="has no identity"):
        store.check()
    assert not (tmp_path / "storage").exists()
    store.identity.require()
    before = sorted(tmp_path.rglob("*"))
    store.check()
    assert sorted(tmp_path.rglob("*")) == before
    assert all_files(store) == []


def test_check_says_where_it_can_not_read(sqlite: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageRefused, match="Not a directory"):
        Storage((tmp_path / "file" / "storage").as_uri(), sqlite).check()


@pytest.mark.parametrize("name", ["plain", "with space", "per%41cent", "naïve ☃", "hash#tag"])
def test_the_default_storage_lies_in_home_whatever_home_is_called(
    sqlite: Database, tmp_path: Path, name: str
) -> None:
    homes = tmp_path / "homes"
    stored = Storage(Settings(home=homes / name).storage, sqlite).put("files", io.BytesIO(b"x"))
    assert (homes / name / "storage" / stored.key).read_bytes() == b"x"
    assert [path.name for path in homes.iterdir()] == [name]


# ---- rows


def test_an_upload_is_found_by_its_id_and_an_artifact_is_not_an_upload(
    database: Database, tmp_path: Path
) -> None:
    store = Storage((tmp_path / "storage").as_uri(), database)
    stored = store.put("files", io.BytesIO(b"x"))
    artifact = store.put("models", io.BytesIO(b"y"))
    job_id = new_job(database, kind="train")
    with database.write() as session:
        upload = storage.add_file(session, stored, name="a.csv", media_type="text/csv")
        made = storage.add_file(session, artifact, name="m", media_type="a/b", job_id=job_id)
    with database.read() as session:
        found = storage.get_file(session, upload.id)
        assert (found.name, found.media_type, found.bytes) == ("a.csv", "text/csv", 1)
        assert (found.storage_key, found.sha256) == (stored.key, stored.sha256)
        for other in (made.id, uuid.uuid4()):
            with pytest.raises(NotFound, match=str(other)):
                storage.get_file(session, other)
        assert [file.id for file in storage.artifacts(session, job_id)] == [made.id]
        assert storage.file_names(session, [upload.id, uuid.uuid4()]) == {upload.id: "a.csv"}


def test_a_job_has_one_artifact_of_a_name(database: Database, tmp_path: Path) -> None:
    store = Storage((tmp_path / "storage").as_uri(), database)
    job_id = new_job(database, kind="train")
    for expected in ("ok", "refused"):
        stored = store.put("models", io.BytesIO(b"x"))
        if expected == "ok":
            with database.write() as session:
                storage.add_file(session, stored, name="m", media_type="a/b", job_id=job_id)
        else:
            with pytest.raises(sa.exc.IntegrityError), database.write() as session:
                storage.add_file(session, stored, name="m", media_type="a/b", job_id=job_id)


def test_memory_file_system_is_a_real_one_that_is_not_local() -> None:
    """What the tests above rely on."""
    fs, _ = fsspec.core.url_to_fs("memory://x")
    assert fs.protocol == "memory"


def test_others_can_read_a_file_by_its_address(store: Storage) -> None:
    key = store.put("files", io.BytesIO(b"bytes")).key
    address, file_system = store.address(key)
    if file_system is None:
        assert Path(address).read_bytes() == b"bytes"
    else:
        with fsspec.open(address, "rb") as stream:
            assert stream.read() == b"bytes"
        assert file_system.cat_file(address) == b"bytes"
    assert (file_system is None) == store.is_local
    with pytest.raises(NotFound, match="missing from the storage"):
        store.address("files/none")
