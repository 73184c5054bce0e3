"""`jobyard doctor` finds each planted fault, with a remedy, and none in an installation that is well."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobyard.shared import jobs, queue_controls, registrations
from jobyard.shared.config import Settings
from jobyard.shared.database import Database, utcnow
from jobyard.shared.doctor import Level, examine
from jobyard.shared.jobs import Job
from jobyard.shared.kinds.base import Queue
from jobyard.shared.migrate import migrate
from jobyard.shared.registrations import Worker
from jobyard.shared.storage import Storage, StorageIdentity
from jobyard.workers.runtime.sweeper import tally
from tests.conftest import RedisProcess
from tests.factories import NO_BROKER, change, change_job, claimed, new_job, new_jobs, put_file
from tests.workers import make_context

PASSWORD = "pa%20ss-word-of-the-tests"


@pytest.fixture
def settings(
    database: Database,
    database_url: str,
    redis_server: RedisProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Of an installation that works: with a file, a worker for each queue, and what a sweeper has written."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("JOBYARD_HOME", str(home))
    monkeypatch.setenv("JOBYARD_DATABASE_URL", database_url.replace("+psycopg", ""))
    monkeypatch.setenv("JOBYARD_BROKER_URL", redis_server.url)
    monkeypatch.setenv("JOBYARD_MIN_FREE_BYTES", "1")
    context = make_context(database, home)
    put_file(context, "kept.txt", b"kept")
    for queue in Queue:
        with database.write() as session:
            registrations.register(session, name=f"{queue}@host", queue=queue.value, process="p")
    context.storage.identity.advance()
    with database.write() as session:
        jobs.set_mark(session, jobs.SWEPT)
    return Settings.load()


def bad(level: Level | None = None) -> Iterator[tuple[str, str, str]]:
    """Topic, text and remedy of what is not well."""
    for found in examine():
        if found.level != Level.OK and level in (None, found.level):
            assert found.remedy
            yield found.topic, found.text, found.remedy


def the_error() -> tuple[str, str]:
    """Topic and text of the only one."""
    ((topic, text, _),) = bad(Level.ERROR)
    return topic, text


def test_all_is_well_and_nothing_is_left_behind(settings: Settings, redis_server: RedisProcess) -> None:
    files = sorted(path for path in (settings.home / "storage").rglob("*") if path.is_file())
    # The versions are those of whoever runs the tests.
    assert [found for found in bad() if found[0] != "versions"] == []
    assert sorted(path for path in (settings.home / "storage").rglob("*") if path.is_file()) == files
    with redis_server.client() as client:
        assert client.keys("*") == []


def test_wrong_settings_and_names_that_are_none(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBYARD_RETENTON_DAYS", "3")
    topic, text, remedy = next(found for found in bad() if found[0] == "settings")
    assert (topic, text) == ("settings", "JOBYARD_RETENTON_DAYS is no setting, and has no effect")
    assert "JOBYARD_RETENTION_DAYS" in remedy
    monkeypatch.setenv("JOBYARD_PORT", "x")
    monkeypatch.setenv("JOBYARD_TOKEN", "short")
    wrong = [text for topic, text, _ in bad(Level.ERROR) if topic == "settings"]
    assert [text.partition(":")[0] for text in wrong] == ["JOBYARD_PORT", "JOBYARD_TOKEN"]
    assert "short" not in str(wrong)


def test_a_broker_that_is_away(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBYARD_BROKER_URL", NO_BROKER)
    topic, text = the_error()
    assert topic == "broker"
    assert text.startswith("can't be used: Error")


def test_a_database_that_is_away_shows_no_password(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBYARD_DATABASE_URL", f"postgresql://me:{PASSWORD}@127.0.0.1:1/x?options={PASSWORD}")
    topic, text = the_error()
    assert topic == "database"
    assert text.startswith("can't be used: ")
    assert PASSWORD not in str(list(examine()))


def test_an_older_database(settings: Settings, database: Database) -> None:
    database.dispose()
    migrate(settings, "-1")
    topic, text = the_error()
    assert topic == "migrations"
    assert "and this version needs" in text


def test_a_paused_queue_and_a_worker_of_another_version(settings: Settings, database: Database) -> None:
    with database.write() as session:
        queue_controls.pause(session, "gpu", reason="maintenance")
    change(database, Worker, Worker.name == "cpu@host", version="0.0.1")
    paused, other = [text for topic, text, _ in bad() if topic == "workers"]
    assert (paused[:22], paused[-11:]) == ("queue gpu is paused si", "maintenance")
    assert other.startswith("1 of version 0.0.1, such as cpu@host, and this is ")


def test_jobs_that_no_worker_will_run_and_that_no_sweeper_puts_back(
    settings: Settings, database: Database
) -> None:
    new_job(database)
    with database.write() as session:
        registrations.deregister(session, name="cpu@host", process="p")
    assert the_error() == ("workers", "queue cpu: no worker runs, and 1 jobs are queued")
    lost = new_job(database, kind="train")
    claimed(database, lost)
    change_job(database, lost, lease_expires_at=utcnow(-300))
    change(database, jobs.SweepMark, jobs.SweepMark.name == jobs.SWEPT, at=utcnow(-100))
    assert [topic for topic, _, _ in bad(Level.ERROR)] == ["workers", "sweeper", "sweeper"]


def test_a_storage_that_lacks_files_has_others_or_is_anothers(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settings.home / "storage"
    (kept,) = (folder / "files").iterdir()
    orphan = kept.with_name("00000000-0000-4000-8000-000000000000")
    kept.rename(orphan)
    assert [(topic, text.partition(" files")[0]) for topic, text, _ in bad() if topic != "versions"] == [
        ("storage", "1 of 1"),
        ("orphans", "1 of up to 10,000"),
    ]
    orphan.rename(kept)
    (folder / "jobyard-identity.json").write_text("{}")
    assert next(bad(Level.ERROR))[1].endswith("is damaged")
    monkeypatch.setenv("JOBYARD_STORAGE_URL", str(settings.home / "empty"))
    assert "has no identity" in next(bad(Level.ERROR))[1]


def test_a_queue_whose_workers_all_drain(settings: Settings, database: Database) -> None:
    with database.write() as session:
        registrations.drain(session, "cpu@host")
    assert [text for topic, text, _ in bad() if topic == "workers"] == [
        "queue cpu: all 1 workers drain, and claim no jobs; 0 are queued"
    ]
    new_job(database)
    assert the_error() == (
        "workers",
        "queue cpu: all 1 workers drain, and claim no jobs; 1 are queued",
    )
    with database.write() as session:
        registrations.register(session, name="cpu@other", queue="cpu", process="q")
    assert list(bad(Level.ERROR)) == []


def test_a_token_that_is_none_or_that_others_read(settings: Settings) -> None:
    token = settings.home / "token"
    token.touch(mode=0o600)
    assert the_error() == ("home", f"{token} is empty")
    token.write_text("a token of sixteen\n")
    token.chmod(0o644)
    assert [text for topic, text, _ in bad() if topic == "home"] == [f"others may read {token} (mode 0644)"]
    token.chmod(0o600)
    token.write_bytes(b"\xff\xfe")
    assert the_error() == ("home", f"{token} can't be read: it is no text")


def test_a_file_that_is_there_and_can_t_be_read(settings: Settings) -> None:
    (kept,) = (settings.home / "storage/files").iterdir()
    kept.unlink()
    kept.symlink_to(kept)  # not by its mode, which root does not mind
    topic, text = the_error()
    assert (topic, text.partition(":")[0]) == ("storage", f"the file files/{kept.name} can't be read")


def test_a_full_disk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBYARD_MIN_FREE_BYTES", str(2**62))
    assert {topic for topic, _, _ in bad(Level.ERROR)} == {"disk"}


def test_a_worker_whose_disk_is_full_and_a_queue_whose_workers_claim_nothing(
    settings: Settings, database: Database
) -> None:
    change(database, Worker, Worker.name == "gpu@host", free_bytes=5, min_free_bytes=1_000)
    new_jobs(database, 1_500, created_by="mallory")
    tally(database)
    change(database, Job, Job.queue == "cpu", available_at=utcnow(-600))
    queue, disk = (text for _, text, _ in bad(Level.ERROR))
    many = "queue cpu: 1 running, 1,500 jobs queued, 1,500 of them mallory's"
    assert queue.startswith(f"{many}, and none starts: its workers have claimed nothing for ")
    assert disk.startswith("5 bytes are free at the worker gpu@host, and 1,000 should stay")


def test_a_copy_of_the_database_elsewhere(settings: Settings, database: Database) -> None:
    store = Storage(settings.storage, database)
    note = settings.home / "storage/jobyard-identity.json"
    store.identity.advance()
    later = note.read_bytes()
    with database.write() as session:
        row = session.get_one(StorageIdentity, 1)
        row.epoch -= 1
    note.write_bytes(later)
    assert [text.partition(":")[0] for topic, text, _ in bad(Level.WARNING) if topic == "storage"] == [
        f"a later state or a second copy of this database used {settings.home / 'storage'}"
    ]
