"""A backup made while the server works has all that its rows name, and is restored whole or not at all."""

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobyard.shared import backups, jobs, storage, tokens
from jobyard.shared.backups import Manifest, backup, snapshot
from jobyard.shared.config import Settings
from jobyard.shared.database import Database, utcnow
from jobyard.shared.errors import BadInput, ConfigError
from jobyard.shared.jobs import State
from jobyard.shared.migrate import migrate, newest_revision
from jobyard.shared.storage import Storage, StorageIdentity
from tests.factories import change, change_job, get_job, new_job, put_file
from tests.integration.shared.backups.conftest import Yard
from tests.workers import make_context

Elsewhere = Callable[[], Settings]


def counts(database: Database) -> dict[str, int]:
    with database.read() as session:
        inspector = sa.inspect(session.connection())
        return {
            name: session.scalar(sa.select(sa.func.count()).select_from(sa.table(name))) or 0
            for name in inspector.get_table_names()
        }


def test_what_is_deleted_and_added_meanwhile_neither_lacks_nor_disturbs(
    yard: Yard, elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = make_context(yard.database, yard.settings.home, database_url=yard.settings.database_url)
    (yard.settings.home / "token").write_text("a token of sixteen\n")
    before = counts(yard.database)
    removed = []

    def take(*given: object) -> snapshot.Snapshot:
        found = real(*given)
        # Between the copy of the rows and that of the files the owner deletes one, and another is added.
        with yard.database.write() as session:
            session.delete(storage.get_file(session, yard.upload))
            storage.plan_deletion(session, [yard.upload_key], storage.Reason.DELETED)
        removed.append(process.storage.remove([yard.upload_key], storage.Reason.DELETED))
        put_file(process, "late.csv", b"late")
        return found

    real = snapshot.take
    monkeypatch.setattr(backup.snapshot, "take", take)
    folder = tmp_path / "backup"
    manifest = backups.back_up(yard.settings, folder)
    assert removed == [0]  # held back
    assert manifest.storage.files == len({*yard.kept, yard.upload_key})
    assert manifest.storage.missing_count == 0
    # Afterwards it is deleted, as ever.
    change(yard.database, StorageIdentity, sa.true(), held_until=utcnow(-1))
    assert process.storage.remove([yard.upload_key], storage.Reason.DELETED) == 1

    there = elsewhere()
    done = backups.restore(there, folder)
    assert (done.revision, done.files) == (newest_revision(), manifest.storage.files)
    assert (there.home / "token").read_text() == "a token of sixteen\n"
    restored = Database(there.database)
    try:
        # Intents are forgotten: what they named is not in the backup.
        assert counts(restored) | {"pending_keys": 0} == before | {"pending_keys": 0}
        store = Storage(there.storage, restored)
        store.identity.require()
        assert store.identity.may_delete()
        for key in (*yard.kept, yard.upload_key):
            assert store.open(key).read() == (folder / "storage" / key).read_bytes()
        assert list(storage.orphans(store.objects, restored)) == []
        assert get_job(restored, yard.ended).spec == get_job(yard.database, yard.ended).spec
        change_job(restored, yard.running, lease_expires_at=utcnow(-1))
        with restored.write() as session:
            assert [(job.id, job.state) for job in jobs.rescue(session)] == [(yard.running, State.QUEUED)]
        new_job(restored)  # its event is numbered after those that were restored
    finally:
        restored.dispose()


def test_a_damaged_backup_restores_nothing_and_the_same_command_succeeds_once_it_is_whole(
    yard: Yard, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    folder, there = tmp_path / "backup", elsewhere()
    backups.back_up(yard.settings, folder)
    rows = next(path for path in (folder / "database").iterdir() if path.stat().st_size)
    for path in (rows, folder / "storage" / max(yard.kept), folder / "SHA256SUMS", folder / "manifest.json"):
        whole = path.read_bytes()
        path.write_bytes(whole[:-2] + b"!\n")
        with pytest.raises(BadInput, match="damaged"):
            backups.restore(there, folder)
        path.write_bytes(whole)
    (folder / "SHA256SUMS").write_text("0  storage/../../x\n")
    with pytest.raises(BadInput, match="damaged"):
        backups.restore(there, folder)
    backups_of = backups.back_up(yard.settings, tmp_path / "again")
    assert backups.restore(there, tmp_path / "again").files == backups_of.storage.files
    # And nothing is restored over it.
    with pytest.raises(ConfigError, match="the database is not empty: it has jobs"):
        backups.restore(there, tmp_path / "again")


def test_a_path_that_no_backup_has_is_refused(yard: Yard, elsewhere: Elsewhere, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    manifest = backups.back_up(yard.settings, folder)
    sums = folder / "SHA256SUMS"
    sums.write_text(f"{'0' * 64}  storage/../../token\n")
    manifest.sums_sha256 = backup.digest_of(sums)
    manifest.write(folder)
    with pytest.raises(BadInput, match="no file of a backup"):
        backups.restore(elsewhere(), folder)


def test_the_backup_of_an_older_database_is_migrated(
    yard: Yard, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    yard.database.dispose()
    migrate(yard.settings, "0015")  # which has no hold yet
    manifest = backups.back_up(yard.settings, tmp_path / "backup")
    assert manifest.database.revision == "0015"
    there = elsewhere()
    assert backups.restore(there, tmp_path / "backup").revision == newest_revision()
    restored = Database(there.database)
    assert get_job(restored, yard.running).state == State.RUNNING
    restored.dispose()


def test_without_the_files_they_are_named_and_have_to_be_there(
    yard: Yard, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    manifest = backups.back_up(yard.settings, tmp_path / "backup", with_storage=False)
    assert (manifest.storage.files, manifest.storage.keys) == (0, len({*yard.kept, yard.upload_key}))
    assert manifest.storage.place == str(yard.settings.home / "storage")
    there = elsewhere()
    with pytest.raises(ConfigError, match="is not the one that the backup was made of"):
        backups.restore(there, tmp_path / "backup")
    same = there.model_copy(update={"storage_url": yard.settings.storage})
    backups.restore(same, tmp_path / "backup")
    restored = Database(there.database)
    assert Storage(same.storage, restored).identity.may_delete()
    restored.dispose()
    # The database that it was made of is the older copy now.
    assert not Storage(same.storage, yard.database).identity.may_delete()


def test_a_later_version_or_another_kind_of_database_is_refused(
    yard: Yard, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    backups.back_up(yard.settings, folder)
    there = elsewhere()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["database"]["revision"] = "9999"
    Manifest.model_validate(manifest).write(folder)
    with pytest.raises(BadInput, match="restore it with that version"):
        backups.restore(there, folder)
    manifest["database"] |= {"revision": newest_revision(), "dialect": "sqlite"}
    if there.database.startswith("sqlite"):
        manifest["database"]["dialect"] = "postgresql"
    Manifest.model_validate(manifest).write(folder)
    with pytest.raises(ConfigError, match="`jobyard move`"):
        backups.restore(there, folder)


def test_a_damaged_backup_leaves_the_storage_to_the_next_one_and_what_was_there_as_it_was(
    yard: Yard, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    folder, there = tmp_path / "backup", elsewhere()
    (yard.settings.home / "token").write_text("a token of sixteen\n")
    backups.back_up(yard.settings, folder)
    store = there.home / "storage"
    first, last = min(yard.kept), max([*yard.kept, yard.upload_key])
    # What was lost is the database alone: these bytes are the owner's.
    (store / last).parent.mkdir(parents=True)
    (store / last).write_bytes((folder / "storage" / last).read_bytes())
    for name in (f"storage/{last}", "token"):
        whole = (folder / name).read_bytes()
        for damage in (lambda path: path.write_bytes(b"other"), Path.unlink, _make_pipe):
            damage(folder / name)
            with pytest.raises(BadInput, match=r"damaged|missing|is no file"):
                backups.restore(there, folder)
            assert [path.name for path in store.rglob("*") if path.is_file()] == [Path(last).name]
            assert not list(there.home.glob("*jobyard.db*"))
            assert not (there.home / "token").exists()
            (folder / name).unlink(missing_ok=True)
            (folder / name).write_bytes(whole)
    assert (store / last).read_bytes() == (folder / "storage" / last).read_bytes()
    backups.restore(there, folder)
    assert (store / first).read_bytes() == (folder / "storage" / first).read_bytes()


def _make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def test_a_backup_of_another_storage_is_none(yard: Yard, tmp_path: Path) -> None:
    """It would be without its files, and say so to nobody who sees only that it succeeded."""
    (tmp_path / "other").mkdir()
    wrong = yard.settings.model_copy(update={"storage_url": str(tmp_path / "other")})
    with pytest.raises(ConfigError, match="is not this database's"):
        backups.back_up(wrong, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    backups.back_up(wrong, tmp_path / "backup", with_storage=False)


def test_a_disk_that_is_full_is_an_error_of_the_folder_and_leaves_nothing(yard: Yard, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = 1 << 12  # the row of a job has more
    if not yard.database.is_postgresql:
        room = Path(str(yard.database.engine.url.database)).stat().st_size - 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises((BadInput, ConfigError), match=f"{tmp_path / 'backup'}"):
            backups.back_up(yard.settings, tmp_path / "backup")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "backup").exists()


def test_a_database_that_somebody_has_set_up_is_not_written_over(
    yard: Yard, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    backups.back_up(yard.settings, tmp_path / "backup")
    there = elsewhere()
    migrate(there, "head")
    other = Database(there.database)
    with other.write() as session:
        tokens.create(session, name="ci", scope=tokens.Scope.READ, expires_seconds=None, created_by="admin")
    other.dispose()
    with pytest.raises(ConfigError, match="it has tokens"):
        backups.restore(there, tmp_path / "backup")


def test_a_folder_that_holds_something_is_left_alone(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        backups.back_up(yard.settings, tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
