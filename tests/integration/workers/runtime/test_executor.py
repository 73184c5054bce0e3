"""One attempt at a job: whatever the work does, the job ends as it should and the worker goes on."""

import gc
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs, metrics, registry, storage
from jobyard.shared.database import Database
from jobyard.shared.errors import Interrupted, NotFound, WorkError
from jobyard.shared.jobs import Job
from jobyard.workers.runtime.attempt import Attempt, Finish
from jobyard.workers.runtime.context import Context
from tests import factories
from tests.factories import LONG_AGO, change_job, get_job, new_job, rename_table, steps_of
from tests.waiting import PATIENCE, wait_for
from tests.workers import attempt, make_context, run_queue, stored_files, work_until_stopped

if TYPE_CHECKING:
    from tests.conftest import RedisProcess

HEARTBEAT_SECONDS = 0.05
# Only to end a hang.
DEADLINE_SECONDS = 60


@pytest.fixture
def context_with_broker(
    database: Database, tmp_path: Path, redis_server: "RedisProcess"
) -> Iterator[Context]:
    made = make_context(database, tmp_path, broker_url=redis_server.url)
    yield made
    made.broker.app.pool.force_close_all()


def artifact(attempt: Attempt, content: bytes = b"x") -> storage.Stored:
    path = attempt.scratch / "artifact"
    path.write_bytes(content)
    return attempt.store("scored", path)


def until_interrupted(attempt: Attempt) -> Finish:
    """Work that never ends by itself."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        attempt.progress.check()
        time.sleep(0.005)
    raise AssertionError("nobody interrupted the work")


def easy(attempt: Attempt, spec: Any) -> Finish:
    return lambda _: {"texts": spec.texts}


def take_over(context: Context, job_id: uuid.UUID) -> None:
    """Another worker gets the job, as if this one had been silent for too long."""
    long_ago = {"lease_expires_at": sa.text("'2020-01-01 00:00:00.000000'")}
    with context.database.write() as session:
        session.execute(sa.update(Job.__table__).where(Job.id == job_id).values(**long_ago))
        jobs.rescue(session)
        session.execute(
            sa.update(Job.__table__)
            .where(Job.id == job_id)
            .values(available_at=sa.text("'2020-01-01 00:00:00.000000'"))
        )
        assert factories.claim(session, job_id, worker="another") is not None


# ---- the good end


def test_work_that_ends_well_makes_the_job_succeed_with_its_result_rows_and_files(context: Context) -> None:
    job_id = new_job(context.database)
    seen: list[Path] = []

    def work(attempt: Attempt, spec: Any) -> Finish:
        seen.append(attempt.scratch)
        stored = artifact(attempt, b"scores")

        def finish(session: Session) -> dict[str, Any]:
            storage.add_file(session, stored, name="s.csv", media_type="text/csv", job_id=attempt.job_id)
            return {"count": len(spec.texts)}

        return finish

    job = attempt(context, job_id, work)
    assert job is not None
    assert (job.state, job.result, job.attempt) == ("succeeded", {"count": 1}, 1)
    assert get_job(context.database, job_id).result == {"count": 1}
    with context.database.read() as session:
        (file,) = storage.artifacts(session, job_id)
    assert stored_files(context) == [file.storage_key]
    assert not seen[0].exists()


def test_a_second_message_claims_nothing_and_works_not(context: Context) -> None:
    job_id = new_job(context.database)
    worked = []

    def work(attempt: Attempt, spec: Any) -> Finish:
        worked.append(attempt.job_id)
        assert run_queue(context, work).events == []  # meanwhile
        return easy(attempt, spec)

    attempt(context, job_id, work)
    assert run_queue(context, work).events == []  # afterwards
    assert worked == [job_id]


def test_files_that_the_work_does_not_want_go_even_after_success(context: Context) -> None:
    def work(attempt: Attempt, spec: Any) -> Finish:
        attempt.unwanted.append(artifact(attempt).key)
        return easy(attempt, spec)

    job = attempt(context, new_job(context.database), work)
    assert job is not None
    assert job.state == "succeeded"
    assert stored_files(context) == []


# ---- failing


def test_work_that_can_not_be_done_fails_with_its_message_and_the_worker_goes_on(context: Context) -> None:
    def work(attempt: Attempt, spec: Any) -> Finish:
        artifact(attempt)
        raise WorkError("the file has no column 'text'; it has: a, b")

    job_id = new_job(context.database)
    job = attempt(context, job_id, work)
    assert job is not None
    assert (job.state, job.error_type) == ("failed", "WorkError")
    assert job.error_message == "the file has no column 'text'; it has: a, b"
    assert job.result is None
    assert stored_files(context) == []
    after = attempt(context, new_job(context.database), easy)
    assert after is not None
    assert after.state == "succeeded"


def test_a_job_whose_kind_this_worker_does_not_have_fails_with_what_it_has(context: Context) -> None:
    job_id = new_job(context.database, kind="removed")
    job = attempt(context, job_id, lambda *_: None, kind="removed")
    assert job is not None
    assert job.error_message == (
        "this worker has no kind 'removed': it has train, predict, evaluate, sentiment, import, "
        "register, export"
    )


def test_a_mistake_in_the_work_is_one_line_for_people_and_a_traceback_in_the_timeline(
    context: Context,
) -> None:
    def work(attempt: Attempt, spec: Any) -> Finish:
        artifact(attempt)
        raise RuntimeError("first line\nsecond line")

    job_id = new_job(context.database)
    attempt(context, job_id, work)
    job = get_job(context.database, job_id)
    assert (job.state, job.error_type) == ("failed", "RuntimeError")
    assert job.error_message is not None
    assert job.error_message.startswith("unexpected RuntimeError: first line")
    assert "\n" not in job.error_message
    with context.database.read() as session:
        last = jobs.events(session, job_id)[-1]
    assert last.traceback is not None
    assert last.traceback.startswith("Traceback (most recent call last):")
    assert last.traceback.rstrip().endswith("second line")
    assert stored_files(context) == []
    after = attempt(context, new_job(context.database), easy)
    assert after is not None
    assert after.state == "succeeded"


@pytest.mark.parametrize("message", ["NUL \x00 in it", "a surrogate \ud800", "x" * 100_000, "", " \n "])
@pytest.mark.parametrize("kind", [WorkError, RuntimeError])
def test_an_odd_error_message_still_ends_the_job(
    context: Context, kind: type[Exception], message: str
) -> None:
    def work(attempt: Attempt, spec: Any) -> Finish:
        raise kind(message)

    job_id = new_job(context.database)
    attempt(context, job_id, work)
    job = get_job(context.database, job_id)
    assert job.state == "failed"
    assert job.error_message


def test_a_failure_while_the_rows_are_written_fails_the_job_and_leaves_no_row_and_no_file(
    context: Context,
) -> None:
    def work(attempt: Attempt, spec: Any) -> Finish:
        stored = artifact(attempt)

        def finish(session: Session) -> dict[str, Any]:
            storage.add_file(session, stored, name="s.csv", media_type="text/csv", job_id=attempt.job_id)
            raise NotFound("the data set went away")

        return finish

    job_id = new_job(context.database)
    attempt(context, job_id, work)
    assert get_job(context.database, job_id).error_message == "the data set went away"
    with context.database.read() as session:
        assert storage.artifacts(session, job_id) == []
    assert stored_files(context) == []


def test_a_spec_that_this_version_does_not_know_fails_the_job(context: Context) -> None:
    job_id = new_job(context.database, spec={"texts": ["one"], "of_a_later_version": 1})
    attempt(context, job_id, easy)
    job = get_job(context.database, job_id)
    assert (job.state, job.error_type) == ("failed", "ValidationError")


# ---- interruptions


def in_background(do: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=do)
    thread.start()
    return thread


def test_what_the_work_of_a_cancelled_job_held_is_free_for_the_next_one(context: Context) -> None:
    """Without waiting for Python's collector of cycles, which counts objects and not their bytes."""
    job_id = new_job(context.database)
    held: list[weakref.ref[threading.Event]] = []

    def work(attempt: Attempt, spec: Any) -> Finish:
        much = threading.Event()
        held.append(weakref.ref(much))
        with context.database.write() as session:
            jobs.cancel(session, job_id)
        work_until_stopped(attempt)

    gc.disable()
    try:
        attempt(context, job_id, work)
        assert held[0]() is None
    finally:
        gc.enable()
    assert get_job(context.database, job_id).state == "cancelled"


def test_cancel_of_a_running_job_stops_its_work_soon(context: Context) -> None:
    job_id = new_job(context.database)
    asked = threading.Event()

    def work(attempt: Attempt, spec: Any) -> Finish:
        artifact(attempt)
        asked.set()
        return until_interrupted(attempt)

    def cancel() -> None:
        asked.wait(DEADLINE_SECONDS)
        with context.database.write() as session:
            jobs.cancel(session, job_id)

    thread = in_background(cancel)
    job = attempt(context, job_id, work)
    thread.join()
    assert job is not None
    assert (job.state, job.error_message, job.result) == ("cancelled", None, None)
    assert job.cancel_requested_at is not None
    assert job.finished_at is not None
    assert (job.finished_at - job.cancel_requested_at).total_seconds() < 5
    assert stored_files(context) == []


def test_a_worker_that_is_stopped_puts_its_job_back_and_wakes_another(
    context_with_broker: Context, redis_server: "RedisProcess"
) -> None:
    context = context_with_broker
    job_id = new_job(context.database)
    stopping = threading.Event()

    def work(attempt: Attempt, spec: Any) -> Finish:
        artifact(attempt)
        stopping.set()
        return until_interrupted(attempt)

    job = attempt(context, job_id, work, stopping)
    assert job is not None
    assert (job.state, job.attempt, job.lease) == ("queued", 0, None)
    assert len(redis_server.messages("cpu")) == 1
    assert stored_files(context) == []
    again = attempt(context, job_id, easy)
    assert again is not None
    assert (again.state, again.attempt) == ("succeeded", 1)


def test_a_stopped_workers_job_that_was_to_be_cancelled_is_cancelled(context: Context) -> None:
    job_id = new_job(context.database)
    stopping = threading.Event()
    stopping.set()

    def work(attempt: Attempt, spec: Any) -> Finish:
        with context.database.write() as session:
            jobs.cancel(session, job_id)
        return until_interrupted(attempt)

    attempt(context, job_id, work, stopping)
    assert get_job(context.database, job_id).state == "cancelled"


def test_a_worker_that_lost_its_lease_stops_and_leaves_nothing(context: Context) -> None:
    job_id = new_job(context.database)

    def work(attempt: Attempt, spec: Any) -> Finish:
        artifact(attempt)
        take_over(context, job_id)
        attempt.progress.metric("loss", 1, 0.5)
        return until_interrupted(attempt)

    assert attempt(context, job_id, work) is None
    job = get_job(context.database, job_id)
    assert (job.state, job.worker, job.attempt) == ("running", "another", 2)
    assert (job.result, job.error_message, job.phase) == (None, None, None)
    assert steps_of(context.database, job_id) == []
    assert stored_files(context) == []


@pytest.mark.parametrize("ending", ["well", "badly"])
def test_a_worker_that_learns_only_at_the_end_that_it_lost_its_lease_leaves_nothing(
    context: Context, ending: str
) -> None:
    job_id = new_job(context.database)

    def work(attempt: Attempt, spec: Any) -> Finish:
        stored = artifact(attempt)
        take_over(context, job_id)
        attempt.progress.metric("loss", 1, 0.5)
        if ending == "badly":
            raise WorkError("too late to say so")

        def finish(session: Session) -> dict[str, Any]:
            storage.add_file(session, stored, name="s.csv", media_type="text/csv", job_id=attempt.job_id)
            registry.add(
                session,
                registry.Model(
                    name="pets",
                    network="classic",
                    classes=["a", "b"],
                    image_size=150,
                    metrics={},
                    storage_key=stored.key,
                    bytes=stored.bytes,
                    sha256=stored.sha256,
                ),
            )
            return {"count": 1}

        return finish

    assert attempt(context, job_id, work) is None
    job = get_job(context.database, job_id)
    assert (job.state, job.worker, job.result, job.error_message) == ("running", "another", None, None)
    with context.database.read() as session:
        assert storage.artifacts(session, job_id) == []
        assert registry.page(session, registry.Model) == []
    assert steps_of(context.database, job_id) == []
    assert stored_files(context) == []


# ---- what is written while it runs


def test_phase_progress_and_metrics_can_be_read_while_the_work_runs(context: Context) -> None:
    job_id = new_job(context.database)

    def work(attempt: Attempt, spec: Any) -> Finish:
        attempt.progress.phase("training")
        attempt.progress.metric("loss", 1, 0.5, epoch=1)
        attempt.progress.update(3, 10, "batches")
        wait_for(lambda: get_job(context.database, job_id).progress_done == 3)
        now = get_job(context.database, job_id)
        assert (now.state, now.phase, now.progress_total) == ("running", "training", 10)
        assert now.progress_unit == "batches"
        assert steps_of(context.database, job_id) == [1]
        return easy(attempt, spec)

    job = attempt(context, job_id, work)
    assert job is not None
    assert job.state == "succeeded"
    assert (job.progress_done, job.progress_total, job.phase) == (10, 10, None)
    with context.database.read() as session:
        assert "training" in [event.phase for event in jobs.events(session, job_id)]


@pytest.mark.parametrize("ending", ["well", "badly"])
def test_the_last_metrics_are_there_when_the_job_has_ended(context: Context, ending: str) -> None:
    job_id = new_job(context.database)

    def work(attempt: Attempt, spec: Any) -> Finish:
        for step in range(50):
            attempt.progress.metric("loss", step, 0.5)
        if ending == "badly":
            raise WorkError("no")
        return easy(attempt, spec)

    attempt(context, job_id, work)
    assert steps_of(context.database, job_id) == list(range(50))


@pytest.mark.parametrize("ending", ["stopped", "failed"])
def test_a_new_attempt_begins_its_history_anew_with_its_first_metric_and_keeps_the_old_one_until_then(
    context: Context, ending: str
) -> None:
    job_id = new_job(context.database)
    stopping = threading.Event()

    def first(attempt: Attempt, spec: Any) -> Finish:
        for step in (1, 2, 3):
            attempt.progress.metric("loss", step, 0.9)
        if ending == "failed":
            raise WorkError("no")
        stopping.set()
        return until_interrupted(attempt)

    def second(attempt: Attempt, spec: Any) -> Finish:
        attempt.progress.phase("looking")
        wait_for(lambda: get_job(context.database, job_id).phase == "looking")
        assert steps_of(context.database, job_id) == [1, 2, 3]
        attempt.progress.metric("loss", 1, 0.8)
        wait_for(lambda: steps_of(context.database, job_id) == [1])
        attempt.progress.metric("loss", 2, 0.7)
        wait_for(lambda: steps_of(context.database, job_id) == [1, 2])
        attempt.progress.metric("loss", 3, 0.6)
        return easy(attempt, spec)

    attempt(context, job_id, first, stopping)
    assert steps_of(context.database, job_id) == [1, 2, 3]
    if ending == "failed":
        with context.database.write() as session:
            jobs.retry(session, job_id, 3)
    attempt(context, job_id, second)
    with context.database.read() as session:
        kept = [(row.step, row.value) for row in metrics.history(session, job_id)]
    assert kept == [(1, 0.8), (2, 0.7), (3, 0.6)]


def test_metrics_that_only_the_outcome_writes_take_the_place_of_the_old_ones_too(context: Context) -> None:
    """Quick work ends before its first heartbeat."""
    job_id = new_job(context.database)

    def first(attempt: Attempt, _: Any) -> Finish:
        for step in (1, 2, 3):
            attempt.progress.metric("loss", step, 0.9)
        raise WorkError("no")

    def second(attempt: Attempt, spec: Any) -> Finish:
        attempt.progress.metric("loss", 1, 0.8)
        return easy(attempt, spec)

    attempt(context, job_id, first)
    with context.database.write() as session:
        jobs.retry(session, job_id, 3)
    attempt(context, job_id, second)
    assert steps_of(context.database, job_id) == [1]


def test_the_heartbeat_keeps_the_job_of_a_slow_worker(database: Database, tmp_path: Path) -> None:
    context = make_context(database, tmp_path)
    job_id = new_job(context.database)

    def is_leased() -> bool:
        expires_at = get_job(database, job_id).lease_expires_at
        return expires_at is not None and expires_at > LONG_AGO

    def work(attempt: Attempt, spec: Any) -> Finish:
        for _ in range(3):
            change_job(database, job_id, lease_expires_at=LONG_AGO)
            wait_for(is_leased)
            with database.write() as session:
                assert jobs.rescue(session) == []
            attempt.progress.check()
        return easy(attempt, spec)

    job = attempt(context, job_id, work)
    assert job is not None
    assert (job.state, job.attempt) == ("succeeded", 1)


def heartbeat_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "heartbeat"}


def test_one_thread_sends_the_heartbeats_of_all_jobs_and_ends_when_there_are_none(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long it takes from one job to the next: the thread makes no turn before it may.
    may_turn = threading.Event()

    def sleep(seconds: float) -> None:
        assert may_turn.wait(PATIENCE)
        time.sleep(seconds)

    clock = SimpleNamespace(sleep=sleep, monotonic=time.monotonic)
    monkeypatch.setattr("jobyard.workers.runtime.heartbeat.time", clock)
    before = heartbeat_threads()
    seen: list[set[threading.Thread]] = []

    def work(attempt: Attempt, spec: Any) -> Finish:
        seen.append(heartbeat_threads() - before)
        return easy(attempt, spec)

    for _ in range(5):
        new_job(context.database)
    run_queue(context, work)
    (heartbeats,) = set.union(*seen)
    may_turn.set()
    wait_for(lambda: not heartbeats.is_alive())

    def later(attempt: Attempt, spec: Any) -> Finish:
        attempt.progress.phase("beating again")
        wait_for(lambda: get_job(context.database, job_id).phase == "beating again")
        return easy(attempt, spec)

    job_id = new_job(context.database)
    job = attempt(context, job_id, later)
    assert job is not None
    assert job.state == "succeeded"


@pytest.mark.parametrize("table", ["jobs", "metrics"])
def test_a_database_that_fails_for_a_while_costs_the_work_nothing(
    context: Context, caplog: pytest.LogCaptureFixture, table: str
) -> None:
    job_id = new_job(context.database)

    def work(attempt: Attempt, spec: Any) -> Finish:
        attempt.progress.metric("loss", 1, 0.9)
        wait_for(lambda: steps_of(context.database, job_id) == [1])
        rename_table(context.database, table, "elsewhere")
        attempt.progress.metric("loss", 2, 0.8)
        wait_for(lambda: sum("can't write its heartbeat" in line for line in caplog.messages) >= 2)
        attempt.progress.metric("loss", 3, 0.7)
        attempt.progress.check()
        rename_table(context.database, "elsewhere", table)
        wait_for(lambda: steps_of(context.database, job_id) == [1, 2, 3])
        return easy(attempt, spec)

    job = attempt(context, job_id, work)
    assert job is not None
    assert job.state == "succeeded"


def test_a_write_that_stands_still_delays_no_step(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = new_job(context.database)
    write, writing, go_on = metrics.write, threading.Event(), threading.Event()

    def stand_still(*given: Any) -> None:
        writing.set()
        assert go_on.wait(DEADLINE_SECONDS), "the work waited for the write"
        write(*given)

    def work(attempt: Attempt, spec: Any) -> Finish:
        attempt.progress.metric("loss", 1, 0.9)
        assert writing.wait(DEADLINE_SECONDS)
        for step in range(2, 1_001):
            attempt.progress.phase("training")
            attempt.progress.update(step, 1_000, "batches")
            attempt.progress.metric("loss", step, 0.9)
            attempt.progress.check()
        assert steps_of(context.database, job_id) == []
        go_on.set()
        return easy(attempt, spec)

    monkeypatch.setattr(metrics, "write", stand_still)
    job = attempt(context, job_id, work)
    assert job is not None
    assert job.state == "succeeded"
    assert steps_of(context.database, job_id) == list(range(1, 1_001))


def test_work_that_ends_well_in_spite_of_a_cancel_has_succeeded(context: Context) -> None:
    """A cancelled job whose work carries on to a good end has succeeded: there is a result to show."""
    job_id = new_job(context.database)

    def work(attempt: Attempt, spec: Any) -> Finish:
        with context.database.write() as session:
            jobs.cancel(session, job_id)
        try:
            until_interrupted(attempt)
        except Interrupted:
            return easy(attempt, spec)
        raise AssertionError

    job = attempt(context, job_id, work)
    assert job is not None
    assert job.state == "succeeded"
