"""An object store that is away: jobs wait and lose no attempt, results are kept, the sweeper continues."""

import io
import re
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, storage
from jobyard.shared.broker import Broker
from jobyard.shared.database import Database
from jobyard.shared.errors import StorageFailed, WorkError
from jobyard.shared.jobs import Job, State
from jobyard.shared.storage import Storage
from jobyard.workers.runtime import patience
from jobyard.workers.runtime.attempt import Attempt, Finish
from jobyard.workers.runtime.context import Context
from jobyard.workers.runtime.sweeper import Sweeper
from tests.buckets import Answer, Faulty
from tests.factories import LONG_AGO, change_job, claim, get_job, new_job
from tests.waiting import wait_for
from tests.workers import attempt, make_context


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def context(object_store: Faulty, database: Database, tmp_path: Path) -> Context:
    made = make_context(database, tmp_path, storage_url=f"s3://jobyard/{uuid.uuid4()}")
    made.storage.identity.require()
    return made


def kept(context: Context) -> list[str]:
    return sorted(one.key for one in context.storage.objects.listing())


def put(context: Context, name: str = "file") -> storage.File:
    path = context.settings.home / name
    path.write_bytes(b"text\ngood\n")
    stored = context.storage.put_file("files", path)
    with context.database.write() as session:
        return storage.add_file(session, stored, name=name, media_type="text/csv")


def finish_with_a_file(attempt: Attempt) -> Finish:
    path = attempt.scratch / "artifact"
    path.write_bytes(b"days of work")
    stored = attempt.store("scored", path)

    def finish(session: Any) -> dict[str, Any]:
        storage.add_file(session, stored, name="a.csv", media_type="text/csv", job_id=attempt.job_id)
        return {"count": 1}

    return finish


FAULTS = ["refuse", "hang", Answer(503, "SlowDown"), Answer(403, "AccessDenied")]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_job_whose_input_can_not_be_read_waits_without_losing_an_attempt(
    object_store: Faulty, context: Context, database: Database, fault: Answer | str
) -> None:
    file = put(context)
    job_id = new_job(database, max_attempts=1)

    def work(attempt: Attempt, _: Any) -> Finish:
        try:
            with attempt.input(file.id) as path:
                assert path.read_bytes() == b"text\ngood\n"
        except StorageFailed as error:
            # As a library does that puts an error of its own in its place.
            raise WorkError("the table is damaged") from error
        return lambda _: {}

    object_store.fail(fault)
    for _ in range(2):
        change_job(database, job_id, available_at=LONG_AGO)
        attempt(context, job_id, work)
        job = get_job(database, job_id)
        assert (job.state, job.attempt, job.error_message) == (State.QUEUED, 0, None)
    with database.read() as session:
        message = jobs.events(session, job_id)[-1].message or ""
    assert "the storage jobyard/" in message
    assert re.search(r"; next try in \d+ s$", message)
    object_store.fail(None)

    def done() -> bool:
        change_job(database, job_id, available_at=LONG_AGO)
        found = attempt(context, job_id, work)
        return found is not None and found.state == State.SUCCEEDED

    wait_for(done)


def test_a_result_waits_for_the_storage_and_is_stored_once(
    object_store: Faulty, context: Context, database: Database
) -> None:
    job_id = new_job(database, max_attempts=1)

    def work(attempt: Attempt, _: Any) -> Finish:
        object_store.fail("refuse")
        timer = threading.Timer(1.5, object_store.fail, [None])
        timer.start()
        try:
            return finish_with_a_file(attempt)
        finally:
            timer.join()

    job = attempt(context, job_id, work)
    assert job is not None
    assert (job.state, job.result, job.attempt) == (State.SUCCEEDED, {"count": 1}, 1)
    with database.read() as session:
        (file,) = storage.artifacts(session, job_id)
    assert kept(context) == [file.storage_key]
    assert context.storage.open(file.storage_key).read() == b"days of work"


@pytest.mark.parametrize("ending", ["cancelled", "queued"])
def test_while_a_result_waits_its_owner_can_cancel_and_its_worker_stop(
    object_store: Faulty, context: Context, database: Database, ending: str
) -> None:
    job_id = new_job(database, max_attempts=1)
    stopping = threading.Event()

    def work(attempt: Attempt, _: Any) -> Finish:
        object_store.fail("refuse")
        if ending == "queued":
            stopping.set()
        else:
            with database.write() as session:
                jobs.cancel(session, job_id)
        return finish_with_a_file(attempt)

    job = attempt(context, job_id, work, stopping)
    assert job is not None
    assert job.state == ending


def test_a_storage_that_stays_away_postpones_the_job(
    object_store: Faulty, context: Context, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    job_id = new_job(database, max_attempts=1)

    def work(attempt: Attempt, _: Any) -> Finish:
        object_store.fail("refuse")
        return finish_with_a_file(attempt)

    attempt(context, job_id, work)
    job = get_job(database, job_id)
    assert (job.state, job.attempt) == (State.QUEUED, 0)


def test_a_checkpoint_that_can_not_be_saved_leaves_the_last_one(
    object_store: Faulty, context: Context, database: Database
) -> None:
    job_id = new_job(database)

    def work(attempt: Attempt, _: Any) -> Finish:
        for number in range(2):
            path = attempt.scratch / "checkpoint"
            path.write_bytes(bytes([number]))
            if number:
                object_store.fail(Answer(500, "InternalError"))
                with pytest.raises(StorageFailed):
                    attempt.checkpoints.save(path)
            else:
                attempt.checkpoints.save(path)
        object_store.fail(None)
        raise LookupError  # a mistake in the work: the job fails, and its checkpoint goes

    attempt(context, job_id, work)
    assert get_job(database, job_id).state == State.FAILED
    assert kept(context) == []


def test_the_sweeper_rescues_and_deletes_later_and_deletes_no_strangers(
    object_store: Faulty, context: Context, database: Database, broker: Broker
) -> None:
    stranger = f"files/{uuid.uuid4()}"
    context.storage.objects.write(stranger, io.BytesIO(b"x"))
    file = put(context)
    store = Storage(context.settings.storage, database)
    sweeper = Sweeper(database, broker, store, lease_seconds=0, retention_days=0)
    with database.write() as session:
        session.delete(session.get_one(storage.File, file.id))
        storage.plan_deletion(session, [file.storage_key], storage.Reason.DELETED)
        session.execute(sa.update(storage.PendingKey).values(since=LONG_AGO))
    job_id = new_job(database)
    with database.write() as session:
        assert claim(session, job_id) is not None
        session.execute(sa.update(Job.__table__).where(Job.id == job_id).values(lease_expires_at=LONG_AGO))

    def sweep() -> None:
        with suppress(StorageFailed):
            sweeper.sweep()

    object_store.fail("hang")
    sweep()
    assert get_job(database, job_id).state == State.QUEUED
    with database.read() as session:
        assert session.get(storage.PendingKey, file.storage_key) is not None
    object_store.fail(None)
    assert kept(context) == sorted([stranger, file.storage_key])

    def swept() -> bool:
        sweeper._forget_from = sweeper._remove_from = 0.0
        sweep()
        return kept(context) == [stranger]

    wait_for(swept)
