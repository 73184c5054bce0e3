"""An object store that fails in every way that one can: one family of errors, soon, and nothing is lost."""

import io
import time
import uuid
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from jobyard.shared import storage
from jobyard.shared.database import Database
from jobyard.shared.errors import DiskFull, JobyardError, NotFound, StorageAway, StorageRefused
from jobyard.shared.storage import Reason, Storage, guard
from jobyard.shared.storage.intents import PendingKey
from tests.buckets import Answer, Faulty
from tests.waiting import at_once

BODY = bytes(range(256)) * 8_000
# Only to end a hang.
SOON = 40


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def store(object_store: Faulty, database: Database) -> Storage:
    """In a folder of the bucket."""
    made = Storage(f"s3://jobyard/{uuid.uuid4()}", database)
    made.identity.require()
    return made


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


class Clock:
    """Instead of `time`, for the circuit breaker alone: it can be put forward."""

    late = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.late


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """And a pause that doesn't end before it is put forward, however slow the machine is."""
    made = Clock()
    monkeypatch.setattr(guard, "time", made)
    monkeypatch.setattr(guard, "PAUSE_SECONDS", 3_600.0)
    return made


def put(store: Storage, body: bytes = BODY) -> str:
    return store.put("files", io.BytesIO(body)).key


def pending(database: Database) -> dict[str, str]:
    with database.read() as session:
        return {row.key: row.reason for row in session.query(PendingKey)}


AWAY: list[Answer | str] = [
    "refuse",
    "hang",
    Answer(500, "InternalError"),
    Answer(503, "SlowDown"),
    Answer(503),
    Answer(429, "TooManyRequests"),
]
REFUSED = {
    Answer(403, "AccessDenied"): "s3:GetObject",
    Answer(403): "AWS_ACCESS_KEY_ID",
    Answer(400): "AWS_ACCESS_KEY_ID",  # to a HEAD with credentials that have expired
    Answer(400, "ExpiredToken"): "renew them",
    Answer(403, "InvalidAccessKeyId"): "AWS_ACCESS_KEY_ID",
    Answer(403, "SignatureDoesNotMatch"): "AWS_SECRET_ACCESS_KEY",
    Answer(403, "RequestTimeTooSkewed"): "clock",
    Answer(404, "NoSuchBucket"): "there is no bucket for jobyard/",
}


def fails(store: Storage, key: str, scratch: Path, expected: type[JobyardError]) -> str:
    """Whatever is asked of it raises the same, soon; the message of one line."""
    path = scratch / "file"
    path.write_bytes(BODY)
    message = ""
    for ask in (
        lambda: put(store),
        lambda: store.open(key),
        lambda: store.local(key, scratch).__enter__(),
        lambda: store.address(key),
        lambda: store.take_file("files", path),
        store.check,
        store.identity.may_delete,
        lambda: list(store.objects.listing()),
    ):
        began = time.monotonic()
        with pytest.raises(expected) as raised:
            ask()
        assert time.monotonic() - began < SOON
        assert type(raised.value) is expected
        message = raised.value.message
        assert "\n" not in message
    assert path.read_bytes() == BODY
    assert store.remove([key], Reason.DELETED) == 0
    return message


def test_what_may_pass_is_one_error_and_nothing_is_lost(
    object_store: Faulty, store: Storage, scratch: Path, clock: Clock
) -> None:
    key = put(store)
    for fault in AWAY:
        object_store.fail(fault)
        fails(store, key, scratch, StorageAway)
        object_store.fail(None)
        if fault == "hang":
            clock.late += guard.PAUSE_SECONDS  # nothing is asked of it for a moment after it has not answered
        assert store.open(key).read() == BODY, fault


def test_what_has_to_be_set_right_is_said_with_what_to_set(
    object_store: Faulty, store: Storage, scratch: Path
) -> None:
    key = put(store)
    for fault, remedy in REFUSED.items():
        object_store.fail(fault)
        message = fails(store, key, scratch, StorageRefused)
        assert message.startswith("JOBYARD_STORAGE_URL: ")
        assert remedy in message, fault


def test_a_server_without_room_is_a_full_disk(object_store: Faulty, store: Storage) -> None:
    object_store.fail(Answer(507, "XMinioStorageFull"))
    with pytest.raises(DiskFull, match=r"the storage jobyard/.* is full"):
        put(store)


def test_no_credentials_and_no_bucket_are_said_and_no_bucket_is_made(
    object_store: Faulty, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StorageRefused, match="there is no bucket for missing/here"):
        Storage("s3://missing/here", database).identity.require()
    with pytest.raises(StorageRefused, match="there is no bucket for missing/here"):
        Storage("s3://missing/here", database).objects.write("files/x", io.BytesIO(b"x"))
    with pytest.raises(StorageRefused, match="there is no bucket"):
        Storage("s3://missing/here", database).objects.delete("files/x")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(StorageRefused, match="AWS_ACCESS_KEY_ID"):
        storage.Objects("s3://jobyard/x").exists("files/x")


@pytest.mark.parametrize("fault", ["cut", "short"])
def test_a_download_that_breaks_is_no_shorter_file(
    object_store: Faulty, store: Storage, scratch: Path, fault: str
) -> None:
    key = put(store)
    object_store.fail(fault)
    with store.open(key) as file, pytest.raises(StorageAway):
        file.read()
    with pytest.raises(StorageAway), store.local(key, scratch):
        pass
    assert list(scratch.iterdir()) == [], "no part of it is left"
    object_store.fail(None)
    store.objects._guard._away = None  # on a slow machine it took a break for a server that does not answer
    with store.local(key, scratch) as path:
        assert path.read_bytes() == BODY


def test_an_upload_that_breaks_leaves_its_intent_and_the_sweep_nothing(
    object_store: Faulty, store: Storage, database: Database
) -> None:
    class Stream(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 9 << 20:  # the first part has been sent
                object_store.fail("refuse")
            return super().read(size)

    with pytest.raises(StorageAway):
        store.put("files", Stream(bytes(20 << 20)))
    ((key, reason),) = pending(database).items()
    assert reason == Reason.WRITTEN
    object_store.fail(None)
    assert not store.objects.exists(key)
    assert store.remove([key], Reason.WRITTEN) == 1
    assert pending(database) == {}


def test_a_deletion_that_fails_is_kept_and_what_nobody_knows_is_never_deleted(
    object_store: Faulty, store: Storage, database: Database
) -> None:
    stranger = f"files/{uuid.uuid4()}"
    store.objects.write(stranger, io.BytesIO(b"x"))
    keys = [put(store, b"x") for _ in range(3)]
    with database.write() as session:
        storage.plan_deletion(session, keys, Reason.DELETED)
    object_store.fail(Answer(503, "SlowDown"))
    assert store.remove(keys) == 0
    assert pending(database).keys() == set(keys)
    object_store.fail(None)
    assert store.remove(keys) == 3
    assert [one.key for one in store.objects.listing()] == [stranger]
    assert [one.key for one in storage.orphans(store.objects, database)] == [stranger]


def test_nothing_is_answered_from_a_listing_of_before(object_store: Faulty, store: Storage) -> None:
    assert list(store.objects.listing()) == []
    another = storage.Objects(f"s3://{store.objects._root}")
    key = f"files/{uuid.uuid4()}"
    another.write(key, io.BytesIO(b"x"))
    assert [one.key for one in store.objects.listing()] == [key]
    assert store.objects.exists(key)
    another.delete(key)
    assert list(store.objects.listing()) == []
    assert not store.objects.exists(key)
    with pytest.raises(NotFound):
        store.open(key)


def test_while_it_does_not_answer_one_asks_and_the_others_know_at_once(
    object_store: Faulty, store: Storage, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = put(store, b"x")
    object_store.fail("hang")
    with pytest.raises(StorageAway):
        store.open(key)
    tried: list[str | None] = []
    asks = guard.Guard.continues

    def counted(self: guard.Guard, key: str | None = None) -> AbstractContextManager[None]:
        tried.append(key)
        return asks(self, key)

    monkeypatch.setattr(guard.Guard, "continues", counted)

    def ask(_: int) -> None:
        with pytest.raises(StorageAway):
            store.open(key)

    for number in range(200):
        ask(number)
    assert tried == []
    clock.late += guard.PAUSE_SECONDS
    # One of these tries, and is answered by nobody.
    at_once(20, ask)
    assert len(tried) == 1
