"""What is forgotten and what never is: old jobs, uploads that nobody needs, what was left half done."""

import functools
import io
import os
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, metrics, needs, registry, retention, storage
from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import TERMINAL, Job, JobEvent, State
from jobyard.shared.metrics import Metric
from jobyard.shared.needs import JobInput, Needs
from jobyard.shared.registry import Dataset, Model, Prediction
from jobyard.shared.retention import ABANDONED_SECONDS, MOST_AT_ONCE
from jobyard.shared.storage import File, PendingKey, Reason, Storage
from jobyard.workers.runtime.sweeper import Sweeper
from tests import factories
from tests.conftest import logged_in
from tests.factories import NO_BROKER, change, storage_of
from tests.integration.shared.leftovers import (
    DAYS,
    OLD,
    YOUNG,
    count,
    ids,
    new_file,
    new_job,
    read_by,
    there,
    uploads,
)
from tests.waiting import all_at_once

if TYPE_CHECKING:
    from flask import Flask


def make_sweeper(database: Database, store: Storage, days: float = DAYS) -> Sweeper:
    broker = Broker(Settings(broker_url=NO_BROKER))
    return Sweeper(database, broker, store, lease_seconds=30, retention_days=days)


def sweep(database: Database, store: Storage, days: float = DAYS) -> None:
    """No job may be queued: the broker is away, and a sweeper wakes workers before it forgets anything."""
    make_sweeper(database, store, days).sweep()


# ---- jobs


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_a_job_that_ended_long_ago_goes_with_all_that_is_its(
    database: Database, store: Storage, state: State
) -> None:
    job_id = new_job(database, state)
    file = new_file(database, store, job_id)
    with database.write() as session:
        metrics.write(session, job_id, [metrics.Point("loss", 1, 0.5)])
        session.add(Prediction(job_id=job_id, row=0, image="a.png"))
    read_by(database, job_id, new_file(database, store))
    sweep(database, store)
    for table in (Job, JobEvent, Metric, Prediction, File, JobInput):
        assert count(database, table) == 0, table
    assert not there(store, file.storage_key)


def test_jobs_that_ended_lately_or_not_at_all_stay_however_old_they_are(
    database: Database, store: Storage
) -> None:
    stay = {new_job(database, state) for state in State if state not in TERMINAL}
    change(database, Job, Job.state == State.QUEUED, available_at=utcnow(1_000))
    young = new_job(database, ago=YOUNG)
    change(database, Job, Job.id == young, created_at=utcnow(-10 * OLD))
    file = new_file(database, store, young)
    new_job(database)
    sweep(database, store)
    assert ids(database) == stay | {young}
    assert there(store, file.storage_key)


def test_zero_days_keep_all_for_ever(database: Database, store: Storage) -> None:
    job_id = new_job(database, ago=100 * OLD)
    kept = [new_file(database, store, job_id, ago=100 * OLD), new_file(database, store, ago=100 * OLD)]
    sweep(database, store, days=0)
    assert ids(database) == {job_id}
    assert uploads(database) == {kept[1].id}
    assert all(there(store, file.storage_key) for file in kept)


def test_children_go_with_their_parent_and_not_before(database: Database, store: Storage) -> None:
    gone, stays = new_job(database), new_job(database, ago=YOUNG)
    for parent in (gone, gone, stays):
        new_file(database, store, new_job(database, parent=parent))
    with database.read() as session:
        keys = dict(session.execute(sa.select(Job.parent_id, File.storage_key).join(File)).all())
    sweep(database, store)
    assert count(database, Job) == 2
    assert count(database, File) == 1
    assert {parent: there(store, key) for parent, key in keys.items()} == {gone: False, stays: True}


def test_the_oldest_go_first_and_not_too_many_at_once(database: Database) -> None:
    # Further apart than it takes to make them on a machine that is busy.
    made = [new_job(database, ago=OLD + 600 * age) for age in (3, 1, 5, 2, 4)]
    with database.write() as session:
        assert retention.forget(session, DAYS, limit=2) == ([], True)
    assert ids(database) == {made[0], made[1], made[3]}


def test_what_is_left_is_forgotten_at_the_next_sweeps(
    database: Database, store: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "forget", functools.partial(retention.forget, limit=2))
    for _ in range(5):
        new_job(database)
    sweeper = make_sweeper(database, store)
    left = []
    for _ in range(3):
        sweeper.sweep()
        left.append(count(database, Job))
    assert left == [3, 1, 0]


def test_models_and_data_sets_outlive_the_job_that_made_them_and_so_do_their_bytes(
    database: Database, store: Storage
) -> None:
    job_id = new_job(database)
    model, pictures, table = (store.put(name, io.BytesIO(b"x")) for name in ("models", "datasets", "scored"))
    with database.write() as session:
        # As a training does it: the model's file is an artifact of the job too.
        storage.add_file(session, model, name="model.keras", media_type="application/zip", job_id=job_id)
        scored = storage.add_file(session, table, name="a.csv", media_type="text/csv", job_id=job_id)
        registry.add(
            session,
            Model(
                name="pets",
                job_id=job_id,
                network="classic",
                classes=["a", "b"],
                image_size=150,
                metrics={},
                storage_key=model.key,
                bytes=1,
                sha256=model.sha256,
            ),
        )
        registry.add(
            session,
            Dataset(
                name="pets",
                job_id=job_id,
                classes={},
                pictures=0,
                rejected=[],
                rejected_count=0,
                storage_key=pictures.key,
                bytes=1,
                sha256=pictures.sha256,
            ),
        )
    sweep(database, store)
    assert (count(database, Job), count(database, File)) == (0, 0)
    with database.write() as session:  # nor are they deleted by mistake
        storage.plan_deletion(session, [model.key, pictures.key], Reason.UNUSED)
    sweep(database, store)
    with database.read() as session:
        assert registry.find(session, Model, "pets@1").job_id is None
        assert registry.find(session, Dataset, "pets@1").job_id is None
    assert [there(store, key) for key in (model.key, pictures.key, scored.storage_key)] == [True, True, False]


# ---- uploads


def test_an_upload_stays_while_it_is_young_or_a_job_reads_it_and_goes_after(
    database: Database, store: Storage
) -> None:
    unused, young, read = (
        new_file(database, store),
        new_file(database, store, ago=YOUNG),
        new_file(database, store),
    )
    paused, ended = new_job(database, State.PAUSED), new_job(database, ago=YOUNG)
    for job_id in (paused, ended):
        read_by(database, job_id, read)
    sweep(database, store)
    assert uploads(database) == {young.id, read.id}
    assert [there(store, file.storage_key) for file in (unused, young, read)] == [False, True, True]
    for job_id in (paused, ended):
        assert read.id in uploads(database)
        change(database, Job, Job.id == job_id, state=State.SUCCEEDED, finished_at=utcnow(-OLD))
        sweep(database, store)
    assert uploads(database) == {young.id}
    assert not there(store, read.storage_key)


@pytest.mark.parametrize("as_list", [False, True])
def test_a_job_that_was_submitted_keeps_its_upload(
    make_app: "Callable[..., Flask]", database_url: str, database: Database, as_list: bool
) -> None:
    client = logged_in(make_app(database_url=database_url))
    form = {"file": (io.BytesIO(b"text\nfine\n"), "a.csv")}
    file_id = client.post("/api/v1/files", data=form, content_type="multipart/form-data").json["id"]
    change(database, File, sa.true(), created_at=utcnow(-OLD))
    job = {"kind": "sentiment", "spec": {"file": file_id, "column": "text"}}
    assert client.post("/api/v1/jobs", json=[job, job] if as_list else job).status_code == 202
    with database.write() as session:
        assert retention.forget(session, DAYS) == ([], False)
    assert uploads(database) == {uuid.UUID(file_id)}


def test_an_upload_that_a_job_takes_at_this_moment_stays(database: Database) -> None:
    """The job's transaction is not yet committed when the sweeper looks."""
    store = storage_of(database)
    file, job_id = new_file(database, store), new_job(database, State.QUEUED)

    def forget() -> None:
        with database.write() as session:
            retention.forget(session, DAYS)

    sweeper = threading.Thread(target=forget)
    with database.write() as session:
        needs.note(session.connection(), [(job_id, Needs(files=[file.id]))])
        sweeper.start()
        time.sleep(0.3)
    sweeper.join()
    assert uploads(database) == {file.id}
    assert count(database, JobInput) == 1


# ---- sweepers at once


def test_two_sweepers_at_once_forget_all_and_neither_fails(
    database: Database, store: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    keys = [new_file(database, store, new_job(database)).storage_key for _ in range(30)]
    keys += [new_file(database, store).storage_key for _ in range(30)]
    for _ in range(30):
        keys.append(store.put("scored", io.BytesIO(b"x")).key)
        age(database, keys[-1], ABANDONED_SECONDS + 60)
    sweepers = [make_sweeper(database, store) for _ in range(4)]
    all_at_once(*(sweeper.sweep for sweeper in sweepers))
    assert caplog.messages == []
    assert (count(database, Job), count(database, File)) == (0, 0)
    assert not any(there(store, key) for key in keys)


# ---- what was left half done


def age(database: Database, key: str, seconds: float) -> None:
    """As if its intent had been recorded so long ago."""
    change(database, PendingKey, PendingKey.key == key, since=utcnow(-seconds))


def pending(database: Database) -> dict[str, str]:
    """The keys that have an intent, each with its reason."""
    with database.read() as session:
        return dict(session.execute(sa.select(PendingKey.key, PendingKey.reason)).all())


def test_a_row_completes_what_was_begun(database: Database, store: Storage) -> None:
    stored = store.put("files", io.BytesIO(b"x"))
    assert pending(database) == {stored.key: Reason.WRITTEN}
    with database.write() as session:
        storage.add_file(session, stored, name="a.csv", media_type="text/csv")
    assert pending(database) == {}


def test_bytes_that_were_begun_long_ago_and_never_completed_go_and_those_with_a_row_never(
    database: Database, store: Storage
) -> None:
    checkpointed = new_job(database, State.PAUSED)
    kept = [
        new_file(database, store, new_job(database, ago=YOUNG)).storage_key,
        new_file(database, store, ago=YOUNG).storage_key,
        store.put("checkpoints", io.BytesIO(b"x")).key,
    ]
    change(database, Job, Job.id == checkpointed, checkpoint_key=kept[-1])
    abandoned = [store.put("scored", io.BytesIO(b"x")).key for _ in range(3)]
    young = store.put("scored", io.BytesIO(b"x")).key
    for key in (kept[-1], *abandoned):
        age(database, key, ABANDONED_SECONDS + 60)
    age(database, young, ABANDONED_SECONDS - 60)
    sweep(database, store, days=0)
    assert all(there(store, key) for key in (*kept, young))
    assert not any(there(store, key) for key in abandoned)
    assert pending(database) == {young: Reason.WRITTEN}


def test_what_a_running_attempt_has_stored_is_not_abandoned_however_long_it_runs(
    database: Database, store: Storage
) -> None:
    job_id = new_job(database, State.RUNNING)
    lease = factories.get_job(database, job_id).lease
    key = store.put("artifacts", io.BytesIO(b"x"), lease=lease).key
    age(database, key, 10 * ABANDONED_SECONDS)
    sweep(database, store, days=0)
    assert there(store, key)
    change(
        database,
        Job,
        Job.id == job_id,
        state=State.SUCCEEDED,
        finished_at=utcnow(),
        lease=None,
        lease_expires_at=None,
    )
    sweep(database, store, days=0)
    assert not there(store, key)


def test_a_sweep_deletes_a_small_share_and_the_next_ones_the_rest(database: Database, store: Storage) -> None:
    keys = [store.put("files", io.BytesIO(b"x")).key for _ in range(2 * MOST_AT_ONCE + 1)]
    with database.write() as session:
        storage.plan_deletion(session, keys, Reason.DELETED)
    left = []
    for _ in range(3):
        sweep(database, store, days=0)
        left.append(sum(there(store, key) for key in keys))
    assert left == [MOST_AT_ONCE + 1, 1, 0]


def test_of_many_files_a_sweep_deletes_one_in_a_hundred(database: Database) -> None:
    many = 200 * MOST_AT_ONCE
    with database.write() as session:
        row = {"name": "a", "media_type": "a/b", "bytes": 1, "sha256": "0" * 64, "created_at": utcnow()}
        keys = [f"files/{uuid.uuid4()}" for _ in range(many)]
        rows = [{"id": uuid.uuid4(), "storage_key": key} for key in keys]
        session.execute(sa.insert(File).values(**row), rows)
        storage.plan_deletion(
            session, (f"files/{uuid.uuid4()}" for _ in range(4 * MOST_AT_ONCE)), Reason.DELETED
        )
    with database.write() as session:
        assert len(retention.due(session)) == 2 * MOST_AT_ONCE


def test_each_deletion_is_logged_with_its_reason(
    database: Database, store: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "jobyard.shared.storage")
    old = new_file(database, store, new_job(database)).storage_key
    abandoned = store.put("scored", io.BytesIO(b"x")).key
    age(database, abandoned, ABANDONED_SECONDS + 60)
    sweep(database, store)
    assert sorted(caplog.messages) == sorted(
        [
            f"deleted {old} from the storage: its retention is over",
            f"deleted {abandoned} from the storage: it was never completed",
        ]
    )


def test_what_can_not_be_deleted_holds_up_nothing_else(
    database: Database, store: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MOST_AT_ONCE", 1)
    stuck, other = (store.put("files", io.BytesIO(b"x")).key for _ in range(2))
    with database.write() as session:
        storage.plan_deletion(session, [stuck], Reason.DELETED)
    with database.write() as session:
        storage.plan_deletion(session, [other], Reason.DELETED)
    file_system = store.objects._fs
    delete = file_system.rm_file

    def refuse(path: str) -> None:
        if path.endswith(stuck):
            raise PermissionError(13, "is read-only")
        delete(path)

    monkeypatch.setattr(file_system, "rm_file", refuse)
    for _ in range(2):
        sweep(database, store)
    assert pending(database) == {stuck: Reason.DELETED}
    assert there(store, stuck)


def test_bytes_that_the_database_does_not_know_stay_for_ever(database: Database, store: Storage) -> None:
    """They may be another database's: that a row is missing is no reason to delete anything."""
    file = new_file(database, store, ago=YOUNG)
    foreign = f"scored/{uuid.uuid4()}"
    store.objects.write(foreign, io.BytesIO(b"x"))
    if store.is_local:
        os.utime(store.objects._path(foreign), (0, 0))
    sweep(database, store)
    assert there(store, foreign)
    assert there(store, file.storage_key)
    assert [one.key for one in storage.orphans(store.objects, database)] == [foreign]


def test_a_retry_leaves_nothing_of_what_the_job_had(database: Database, store: Storage) -> None:
    job_id = new_job(database, State.FAILED, ago=YOUNG)
    child = new_job(database, State.FAILED, ago=YOUNG, parent=job_id)
    keys = [store.put("checkpoints", io.BytesIO(b"x")).key for _ in range(2)]
    for owner, key in zip((job_id, child), keys, strict=True):
        change(database, Job, Job.id == owner, checkpoint_key=key)
    keys.append(new_file(database, store, child).storage_key)
    with database.write() as session:
        jobs.retry(session, job_id, 3)
    assert set(pending(database)) == set(keys)
    change(database, Job, Job.id == job_id, state=State.PAUSED)
    sweep(database, store)
    assert not any(there(store, key) for key in keys)
    assert list(storage.orphans(store.objects, database)) == []
