"""A full disk: the job waits in its queue with the reason, and costs nothing but time."""

import errno
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.disk import free_bytes
from jobyard.shared.errors import WorkError
from jobyard.shared.jobs import Job, State
from jobyard.workers.runtime.attempt import Attempt, Finish
from tests.factories import LONG_AGO, change_job, get_job, new_job
from tests.workers import attempt, make_context, stored_files


def last_message(database: Database, job_id: uuid.UUID) -> str:
    with database.read() as session:
        return jobs.events(session, job_id)[-1].message or ""


def waits(database: Database, job_id: uuid.UUID) -> Job:
    """The job, which is queued again with all its attempts."""
    job = get_job(database, job_id)
    assert (job.state, job.attempt, job.error_message) == (State.QUEUED, 0, None)
    return job


def full(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_to_full(attempt: Attempt, spec: Any) -> Finish:
    with Path("/dev/full").open("wb") as file:
        file.write(bytes(1 << 20))
    raise AssertionError


def wrap(attempt: Attempt, spec: Any) -> Finish:
    try:
        full()
    except OSError as error:
        raise WorkError(f"the picture can't be read: {error}") from None


def use_scratch(attempt: Attempt, spec: Any) -> Finish:
    (attempt.scratch / "file").write_bytes(b".")
    return lambda _: {}


def use_nothing(attempt: Attempt, spec: Any) -> Finish:
    return lambda _: {}


@pytest.mark.parametrize("work", [write_to_full, wrap])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_job_that_meets_a_full_disk_waits_without_losing_an_attempt(
    database: Database, tmp_path: Path, work: Any
) -> None:
    context = make_context(database, tmp_path)
    job_id = new_job(database, max_attempts=1)
    for _ in range(3):
        change_job(database, job_id, available_at=LONG_AGO)
        attempt(context, job_id, work)
        waits(database, job_id)
        assert last_message(database, job_id) == "the disk is full; next try in 5 s"
    assert attempt(context, job_id, use_scratch) is None  # not before that
    assert stored_files(context) == []
    change_job(database, job_id, available_at=LONG_AGO)
    done = attempt(context, job_id, use_scratch)
    assert done is not None
    assert done.state == State.SUCCEEDED


def test_below_the_minimum_only_jobs_that_write_files_wait(database: Database, tmp_path: Path) -> None:
    context = make_context(database, tmp_path, min_free_bytes=free_bytes(tmp_path) + (1 << 40))
    job_id = new_job(database)
    attempt(context, job_id, use_scratch)
    waits(database, job_id)
    assert "should stay free (JOBYARD_MIN_FREE_BYTES); next try in 5 s" in last_message(database, job_id)
    change_job(database, job_id, available_at=LONG_AGO)
    done = attempt(context, job_id, use_nothing)
    assert done is not None
    assert done.state == State.SUCCEEDED


def test_what_is_too_large_for_the_disk_is_not_stored(database: Database, tmp_path: Path) -> None:
    """Before a byte of it is written."""
    context = make_context(database, tmp_path)
    job_id = new_job(database)

    def store(attempt: Attempt, spec: Any) -> Finish:
        sparse = attempt.scratch / "large"
        with sparse.open("wb") as file:
            file.truncate(free_bytes(tmp_path))
        attempt.store("scored", sparse)
        raise AssertionError

    attempt(context, job_id, store)
    waits(database, job_id)
    assert stored_files(context) == []


def test_a_checkpoint_that_does_not_fit_leaves_the_last_one(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = make_context(database, tmp_path)
    job_id = new_job(database)

    def save_two(attempt: Attempt, spec: Any) -> Finish:
        for number in range(2):
            path = attempt.scratch / "checkpoint"
            path.write_bytes(bytes([number]))
            if number:
                monkeypatch.setattr(shutil, "move", full)
            attempt.checkpoints.save(path)
        raise AssertionError

    attempt(context, job_id, save_two)
    monkeypatch.undo()
    key = waits(database, job_id).checkpoint_key
    assert key is not None
    assert context.storage.open(key).read() == b"\0"
    assert stored_files(context) == [key]


def test_the_database_on_a_full_disk_costs_no_attempt(database: Database, tmp_path: Path) -> None:
    if database.engine.dialect.name != "sqlite":
        pytest.skip("SQLite's file is made full")
    context = make_context(database, tmp_path)
    job_id = new_job(database, max_attempts=1)

    def fill(attempt: Attempt, spec: Any) -> Finish:
        def finish(session: Any) -> dict[str, Any]:
            session.execute(sa.text("PRAGMA max_page_count=1"))  # as many as there are
            try:
                session.execute(sa.text("CREATE TABLE ballast AS SELECT zeroblob(10000000) AS bytes"))
            finally:
                session.connection().connection.execute("PRAGMA max_page_count=1000000000")
            raise AssertionError

        return finish

    attempt(context, job_id, fill)
    waits(database, job_id)
    assert last_message(database, job_id) == "the disk is full; next try in 5 s"
