"""A storage belongs to one database: no other is served from it, and none deletes what it doesn't know."""

import io
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobyard.shared import storage
from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database, utcnow
from jobyard.shared.errors import ConfigError
from jobyard.shared.jobs import Job, State
from jobyard.shared.retention import ABANDONED_SECONDS, DAY_SECONDS
from jobyard.shared.storage import File, PendingKey, Reason, Storage, StorageIdentity, identity, known
from jobyard.shared.tables import metadata
from jobyard.workers.runtime.sweeper import Sweeper
from tests.factories import NO_BROKER, change, get_job, new_job
from tests.waiting import at_once

DAYS = 30.0


@pytest.fixture(params=["local", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a folder, and of a file system that is not local."""
    if request.param == "local":
        return (tmp_path / "storage").as_uri()
    return f"memory://shared-{uuid.uuid4()}"


def used(database: Database, url: str, count: int = 3) -> tuple[Storage, list[str]]:
    """A storage with files of this database, all of them older than any sweep would wait for."""
    store = Storage(url, database)
    keys = []
    for number in range(count):
        stored = store.put("files", io.BytesIO(b"x"))
        with database.write() as session:
            storage.add_file(session, stored, name=f"{number}.csv", media_type="text/csv")
        keys.append(stored.key)
        if store.is_local:
            os.utime(store.objects._path(stored.key), (0, 0))
    return store, keys


def sweeper(database: Database, store: Storage, days: float = DAYS) -> Sweeper:
    broker = Broker(Settings(broker_url=NO_BROKER))
    return Sweeper(database, broker, store, lease_seconds=0, retention_days=days)


def there(store: Storage, keys: list[str]) -> list[bool]:
    return [store.objects.exists(key) for key in keys]


def marks(database: Database) -> list[tuple[uuid.UUID, int]]:
    with database.read() as session:
        rows = session.execute(sa.select(StorageIdentity.database_id, StorageIdentity.epoch))
        return [(row.database_id, row.epoch) for row in rows]


def refused(database: Database, url: str, *words: str) -> None:
    """One line that says what is wrong, where, and what helps; nothing is served and nothing deleted."""
    store = Storage(url, database)
    before = [one.key for one in store.objects.listing()]
    for use in (
        store.identity.require,
        lambda: store.open("files/x"),
        lambda: store.put("files", io.BytesIO(b"x")),
        sweeper(database, store).sweep,
    ):
        with pytest.raises(ConfigError) as caught:
            use()
        message = caught.value.message
        assert "\n" not in message
        for word in ("JOBYARD_STORAGE_URL", store.objects.place, "--adopt", *words):
            assert word in message
    with database.write() as session:
        storage.plan_deletion(session, before, Reason.DELETED)
    assert store.remove(before, Reason.DELETED) == 0
    assert [one.key for one in store.objects.listing()] == before


# ---- one database


def test_a_new_storage_gets_the_identity_of_its_database_and_is_known_again(
    database: Database, url: str
) -> None:
    store, keys = used(database, url)
    found = json.loads(store.objects.read_note(identity.NAME) or b"")
    assert marks(database) == [(uuid.UUID(found["database_id"]), found["epoch"])]
    again = Storage(url, database)
    again.identity.require()
    assert again.identity.may_delete()
    assert again.open(keys[0]).read() == b"x"


def test_many_processes_that_start_at_once_agree(database: Database, url: str) -> None:
    stores = [Storage(url, database) for _ in range(8)]
    at_once(len(stores), lambda number: stores[number].identity.require())
    assert len(marks(database)) == 1
    assert all(store.identity.may_delete() for store in stores)


def test_a_storage_that_another_process_claims_after_it_was_read_is_ours(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And has used: neither a claim nor a file of which this process does not know yet is another's."""
    late, first = Storage(url, database), Storage(url, database)
    read = late.objects.read_note

    def before_the_other(name: str) -> bytes | None:
        found = read(name)
        monkeypatch.undo()
        first.put("files", io.BytesIO(b"x"))
        return found

    monkeypatch.setattr(late.objects, "read_note", before_the_other)
    late.identity.require()
    assert late.identity.may_delete()
    assert first.identity.may_delete()


def test_of_two_databases_that_start_at_once_on_a_new_storage_one_is_refused(
    database: Database, other_database: Database, tmp_path: Path
) -> None:
    stores = [Storage((tmp_path / "storage").as_uri(), one) for one in (database, other_database)]

    def start(number: int) -> bool:
        try:
            stores[number].identity.require()
        except ConfigError:
            return False
        return True

    assert sorted(at_once(2, start)) == [False, True]


def test_a_storage_from_before_there_were_identities_is_recognised_by_its_files(
    database: Database, url: str
) -> None:
    store, keys = used(database, url)
    store.objects.delete(identity.NAME)
    store.objects.delete(keys[0])  # one may be missing
    with database.write() as session:
        session.execute(sa.delete(StorageIdentity))
    again = Storage(url, database)
    again.identity.require()
    assert again.objects.read_note(identity.NAME) is not None
    assert again.identity.may_delete()


def test_a_process_that_was_killed_between_row_and_object_stops_no_later_one(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Storage(url, database)
    monkeypatch.setattr(
        store.objects, "write_note", lambda *_, **__: (_ for _ in ()).throw(OSError("killed"))
    )
    with pytest.raises(OSError, match="killed"):
        store.identity.require()
    Storage(url, database).identity.require()
    assert len(marks(database)) == 1


def test_a_crash_between_the_rows_epoch_and_the_objects_does_no_harm(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = used(database, url)
    with monkeypatch.context() as patch:
        patch.setattr(store.objects, "write_note", lambda *_, **__: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            store.identity.advance()
    assert store.identity.may_delete()
    store.identity.advance()
    assert store.identity.may_delete()


def test_all_keys_that_tables_have_are_known() -> None:
    """Or what such a column refers to would be an orphan."""
    columns = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if column.name == "key" or (column.name.endswith("_key") and column.name != "idempotency_key")
    }
    assert columns == set(known.COLUMNS)


# ---- another database


def test_an_empty_database_is_refused_and_deletes_nothing(
    database: Database, other_database: Database, url: str
) -> None:
    store, keys = used(database, url)
    refused(other_database, url, "belongs to another database", "JOBYARD_DATABASE_URL")
    assert all(there(store, keys))
    assert marks(other_database) == []


def test_a_database_with_files_of_its_own_is_refused(
    database: Database, other_database: Database, url: str
) -> None:
    store, keys = used(database, url)
    used(other_database, f"memory://staging-{uuid.uuid4()}")
    refused(other_database, url, "belongs to another database")
    assert all(there(store, keys))


def test_a_new_database_is_refused_by_a_storage_that_has_files_and_no_identity_yet(
    database: Database, other_database: Database, url: str
) -> None:
    store, keys = used(database, url)
    store.objects.delete(identity.NAME)
    refused(other_database, url, "belongs to another database")
    assert all(there(store, keys))


def test_what_others_keep_in_the_folder_is_no_storage_of_another_database(
    database: Database, tmp_path: Path
) -> None:
    for name in ("thesis.pdf", "files/holiday.jpg", "a/b/c.txt"):
        path = tmp_path / "storage" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    store = Storage((tmp_path / "storage").as_uri(), database)
    store.identity.require()
    assert list(storage.orphans(store.objects, database)) == []


def test_adopted_the_storage_is_this_databases_and_the_others_no_longer(
    database: Database, other_database: Database, url: str
) -> None:
    store, keys = used(database, url)
    new = Storage(url, other_database)
    assert new.identity.adopt()
    assert not new.identity.adopt()  # once is enough
    Storage(url, other_database).identity.require()
    sweeper(other_database, new, days=0).sweep()
    assert all(there(store, keys))
    assert sorted(one.key for one in storage.orphans(new.objects, other_database)) == sorted(keys)
    refused(database, url, "belongs to another database")


# ---- the same database at another time


def test_an_older_dump_serves_and_deletes_neither_rows_nor_bytes_until_it_is_adopted(
    database: Database, dump: Callable[[], Database], url: str, caplog: pytest.LogCaptureFixture
) -> None:
    store, keys = used(database, url)
    job_id = new_job(database)
    old = {"created_at": utcnow(-(DAYS + 1) * DAY_SECONDS)}
    change(database, File, sa.true(), **old)
    change(database, Job, Job.id == job_id, state=State.CANCELLED, finished_at=old["created_at"])
    with database.write() as session:  # which the dump remembers, and does not know what came of it
        storage.plan_deletion(session, keys[:1], Reason.DELETED)
    restored = dump()
    store.identity.advance()

    late = Storage(url, restored)
    late.identity.require()
    assert late.open(keys[1]).read() == b"x"
    assert late.put("files", io.BytesIO(b"new")).bytes == 3
    for _ in range(3):
        sweeper(restored, late).sweep()
    assert late.remove(keys, Reason.DELETED) == 0
    assert all(there(store, keys))
    assert get_job(restored, job_id).state == State.CANCELLED
    (warning,) = {line for line in caplog.messages if "restored dump" in line}
    assert "--adopt" in warning
    assert "\n" not in warning

    assert late.identity.adopt()
    assert late.identity.may_delete()
    with restored.read() as session:
        assert session.scalars(sa.select(PendingKey.key)).all() == []
    assert not store.identity.may_delete()


def test_of_two_living_copies_the_one_that_counts_second_stops_deleting(
    database: Database, dump: Callable[[], Database], url: str
) -> None:
    first, keys = used(database, url)
    second = Storage(url, dump())
    assert first.identity.may_delete()
    assert second.identity.may_delete()  # nobody can tell them apart yet
    second.identity.advance()
    first.identity.advance()
    assert not first.identity.may_delete()
    assert second.identity.may_delete()
    assert first.remove(keys, Reason.DELETED) == 0
    assert all(there(first, keys))


def test_several_sweepers_of_one_database_are_no_copies_of_it(database: Database, url: str) -> None:
    stores = [Storage(url, database) for _ in range(4)]
    for _ in range(3):
        at_once(len(stores), lambda number: stores[number].identity.advance())
    assert all(store.identity.may_delete() for store in stores)


def test_a_sweeper_raises_the_epoch_at_its_start_and_not_at_every_sweep(database: Database, url: str) -> None:
    store, _ = used(database, url)
    ((_, before),) = marks(database)
    for _ in range(2):
        running = sweeper(database, store)
        for _ in range(3):
            running.sweep()
    assert [epoch for _, epoch in marks(database)] == [before + 2]


# ---- a storage that is not there, or not whole


def test_a_volume_that_is_not_mounted_is_refused_and_gets_nothing(database: Database, url: str) -> None:
    used(database, url)
    empty = f"memory://empty-{uuid.uuid4()}"
    refused(database, empty, "is empty", "mounted")
    assert Storage(empty, database).objects.read_note(identity.NAME) is None
    again = Storage(empty, database)
    assert again.identity.adopt()
    again.identity.require()


def test_a_database_whose_files_are_all_deleted_still_knows_that_it_had_a_storage(
    database: Database, url: str
) -> None:
    used(database, url, count=0)
    Storage(url, database).identity.require()
    refused(database, f"memory://empty-{uuid.uuid4()}", "is empty")


DAMAGED = (
    b"",
    b"\0" * 100,
    b"[" * 5_000,
    b"null",
    b"[]",
    b'{"format": 1}',
    b'{"format": 2, "database_id": "x", "epoch": 1, "mark": "x"}',
    b'{"format": 1, "database_id": "x", "epoch": 1, "mark": "x"}',
    b'{"format": 1, "database_id": 5, "epoch": 1, "mark": 5}',
)


def test_a_damaged_identity_is_refused_and_not_written_over(database: Database, url: str) -> None:
    store, keys = used(database, url)
    for content in DAMAGED:
        store.objects.write_note(identity.NAME, content)
        refused(database, url, "damaged", identity.NAME)
        assert store.objects.read_note(identity.NAME) == content
        assert not store.identity.may_delete()
    assert all(there(store, keys))
    assert Storage(url, database).identity.adopt()
    assert Storage(url, database).identity.may_delete()


def test_a_storage_that_can_not_be_read_stops_no_start_and_is_not_used(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = Storage((tmp_path / "file" / "storage").as_uri(), database)
    store.identity.require_at_start()
    assert "can't compare storage and database yet" in caplog.text
    with pytest.raises(OSError, match="file"):
        store.put("files", io.BytesIO(b"x"))
    assert store.remove(["files/x"], Reason.DELETED) == 0


def test_the_place_in_a_message_has_no_password() -> None:
    store = storage.Objects("memory://user:secret@bucket/folder")
    assert "secret" not in store.place


# ---- killed at any moment

KILLED = """
import io, os, signal, sys
from jobyard.shared import storage
from jobyard.shared.database import Database
from jobyard.shared.storage import Objects, Reason, Storage

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

database = Database(sys.argv[1])
store = Storage(sys.argv[2], database)
moment, key = sys.argv[3:]
if moment == "before the bytes":
    Objects.write = die
    store.put("files", io.BytesIO(b"x"))
elif moment == "before the row":
    store.put("files", io.BytesIO(b"x"))
    die()
else:
    with database.write() as session:
        session.execute(storage.File.__table__.delete().where(storage.File.storage_key == key))
        storage.plan_deletion(session, [key], Reason.DELETED)
    Objects.delete = die if moment == "before the deletion" else Objects.delete
    storage.storage.intents.complete = die
    store.remove([key], Reason.DELETED)
"""


@pytest.mark.parametrize(
    "moment", ["before the bytes", "before the row", "before the deletion", "after the deletion"]
)
def test_what_a_kill_leaves_half_done_the_sweeper_finishes(
    database: Database, database_url: str, tmp_path: Path, moment: str
) -> None:
    url = (tmp_path / "storage").as_uri()
    store, keys = used(database, url, count=2)
    line = [sys.executable, "-c", KILLED, database_url, url, moment, keys[0]]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with database.read() as session:
        (pending,) = session.scalars(sa.select(PendingKey.key)).all()
    assert list(storage.orphans(store.objects, database)) == []
    sweeper(database, store, days=0).sweep()
    if moment in ("before the bytes", "before the row"):
        with database.read() as session:  # it may be an upload that still runs
            assert session.scalars(sa.select(PendingKey.key)).all() == [pending]
        change(database, PendingKey, sa.true(), since=utcnow(-ABANDONED_SECONDS - 1))
        sweeper(database, store, days=0).sweep()
    with database.read() as session:
        assert session.scalars(sa.select(PendingKey.key)).all() == []
    gone = [False, True] if moment.endswith("the deletion") else [True, True]
    assert there(store, keys) == gone
    assert not store.objects.exists(pending)
    assert sorted(one.key for one in store.objects.listing()) == sorted(
        key for key, is_there in zip(keys, gone, strict=True) if is_there
    )


# ---- orphans


def test_orphans_are_counted_by_one_of_the_sweepers_once_a_day_and_stay(
    database: Database, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    store, keys = used(database, url)
    for _ in range(2):
        store.objects.write(f"scored/{uuid.uuid4()}", io.BytesIO(b"12345"))
    for _ in range(3):
        sweeper(database, store).sweep()
    lines = [line for line in caplog.messages if "orphans" in line]
    assert len(lines) == 1
    assert "2 orphans of 10 bytes" in lines[0]
    assert "python -m jobyard.shared.storage orphans" in lines[0]
    assert len(list(store.objects.listing())) == len(keys) + 2


def test_by_hand_orphans_are_listed_and_a_storage_is_adopted(
    database: Database, database_url: str, other_database: Database, tmp_path: Path
) -> None:
    url = (tmp_path / "storage").as_uri()
    _, keys = used(database, url)

    def run(command: str, database_url: str) -> "subprocess.CompletedProcess[str]":
        given = {"JOBYARD_DATABASE_URL": database_url, "JOBYARD_STORAGE_URL": url}
        line = [sys.executable, "-m", "jobyard.shared.storage", command]
        return subprocess.run(
            line, env=os.environ | given, capture_output=True, text=True, check=False, timeout=180
        )

    listed = run("orphans", database_url)
    assert (listed.returncode, listed.stdout.splitlines()[-1]) == (
        0,
        f"0 orphans of 0 bytes in {tmp_path / 'storage'}",
    )
    assert "already" in run("adopt", database_url).stdout
    other_url = other_database.engine.url.render_as_string(hide_password=False)
    refusal = run("orphans", other_url)
    assert (refusal.returncode, len(refusal.stderr.splitlines())) == (2, 1)
    assert "belongs to another database" in refusal.stderr
    adopted = run("adopt", other_url)
    assert (adopted.returncode, "adopted" in adopted.stderr) == (0, True)
    listed = run("orphans", other_url)
    assert {line.split()[0] for line in listed.stdout.splitlines()[:-1]} == set(keys)
    assert listed.stdout.splitlines()[-1].startswith("3 orphans of 3 bytes")


def test_a_deletion_that_runs_meanwhile_makes_no_orphan(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, keys = used(database, url)
    listing = list(store.objects.listing())
    monkeypatch.setattr(store.objects, "listing", lambda: iter(listing))
    with database.write() as session:
        session.execute(sa.delete(File))
        storage.plan_deletion(session, keys, Reason.DELETED)
    assert store.remove(keys, Reason.DELETED) == len(keys)
    assert list(storage.orphans(store.objects, database)) == []
