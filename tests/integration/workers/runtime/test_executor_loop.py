"""A message wakes a process, which does the jobs of its queue one by one: each once, in queue order."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs, storage
from jobyard.shared.broker import MAX_MESSAGES
from jobyard.shared.database import Database
from jobyard.shared.errors import Stopping, WorkError
from jobyard.shared.jobs import Job, State
from jobyard.workers.runtime import executor, patience
from jobyard.workers.runtime.attempt import Attempt, Finish
from jobyard.workers.runtime.context import Context
from jobyard.workers.runtime.outcome import Outcome
from tests.factories import LONG_AGO, NEVER, change_job, get_job, new_job, states_of
from tests.workers import AttemptLog, make_context, run_queue, stored_files

if TYPE_CHECKING:
    from tests.conftest import RedisProcess

# Only to end a hang.
DEADLINE_SECONDS = 60


@pytest.fixture
def context(database: Database, tmp_path: Path, redis_server: "RedisProcess") -> Iterator[Context]:
    """A worker process."""
    made = make_context(database, tmp_path, broker_url=redis_server.url)
    yield made
    made.broker.app.pool.force_close_all()


def submit(context: Context, text: str = "one", priority: int = 5) -> uuid.UUID:
    return new_job(context.database, spec={"texts": [text]}, priority=priority)


def states(context: Context, *job_ids: uuid.UUID) -> list[str]:
    return [get_job(context.database, job_id).state for job_id in job_ids]


def store(attempt: Attempt) -> storage.Stored:
    path = attempt.scratch / "artifact"
    path.write_bytes(b"x")
    return attempt.store("scored", path)


def easy(_: Attempt, spec: Any) -> Finish:
    return lambda _: {"texts": spec.texts}


def messages(redis_server: "RedisProcess") -> int:
    return len(redis_server.messages("cpu"))


def each_once(attempts: AttemptLog, *job_ids: uuid.UUID) -> None:
    """Begun and done, one after another, in this order."""
    events = [(what, job_id) for job_id in job_ids for what in ("started", "succeeded")]
    assert attempts.events == events


# ---- one after another


def test_an_empty_queue_is_nothing(context: Context, redis_server: "RedisProcess") -> None:
    assert run_queue(context, easy).events == []
    assert messages(redis_server) == 0


def test_all_jobs_of_the_queue_are_done_by_priority_and_then_by_age(
    context: Context, redis_server: "RedisProcess"
) -> None:
    made = [(priority, submit(context, f"{priority}", priority)) for priority in (5, 1, 9, 5, 0, 9)]
    line = [job_id for _, job_id in sorted(made, key=lambda one: (-one[0], one[1]))]
    with context.database.write() as session:
        other, _ = jobs.submit(
            session, kind="sentiment", queue="predict", spec={}, priority=9, max_attempts=3
        )
    each_once(run_queue(context, easy), *line)
    for priority, job_id in made:
        job = get_job(context.database, job_id)
        assert (job.state, job.worker, job.attempt) == ("succeeded", "w", 1)
        assert job.result == {"texts": [f"{priority}"]}
        assert states_of(context.database, job_id) == ["queued", "running", "succeeded"]
    assert get_job(context.database, other.id).state == "queued"
    assert messages(redis_server) == 0, "none is left: nobody has to be woken"


def test_a_job_that_is_submitted_while_another_runs_is_done_with_the_same_message(context: Context) -> None:
    later: list[uuid.UUID] = []

    def work(attempt: Attempt, spec: Any) -> Finish:
        if len(later) < 3:
            later.append(submit(context))
        return easy(attempt, spec)

    first = submit(context)
    each_once(run_queue(context, work), first, *later)


def test_an_urgent_job_that_comes_meanwhile_is_the_next(context: Context) -> None:
    line = [submit(context) for _ in range(3)]
    urgent: list[uuid.UUID] = []

    def work(attempt: Attempt, spec: Any) -> Finish:
        if not urgent:
            urgent.append(submit(context, priority=9))
        return easy(attempt, spec)

    each_once(run_queue(context, work), line[0], urgent[0], line[1], line[2])


def test_the_next_job_is_claimed_in_the_transaction_of_the_outcome_before(context: Context) -> None:
    """There is no moment at which this process has none of them, and a job costs one transaction."""
    line = [submit(context) for _ in range(4)]
    seen: list[list[str]] = []
    transactions: list[int] = []

    def count(_: sa.Connection) -> None:
        if threading.current_thread() is threading.main_thread():  # and not the heartbeat's
            transactions.append(1)

    def work(attempt: Attempt, spec: Any) -> Finish:
        seen.append(states(context, *line[:2]))
        return easy(attempt, spec)

    sa.event.listen(sa.Engine, "begin", count)
    try:
        attempts = run_queue(context, work)
    finally:
        sa.event.remove(sa.Engine, "begin", count)
    each_once(attempts, *line)
    assert seen[:2] == [["running", "queued"], ["succeeded", "running"]]
    looks = sum(map(len, seen))
    assert len(transactions) - looks == 1 + len(line)


def test_a_short_outcome_of_the_first_job_is_written_before_the_next_is_claimed(context: Context) -> None:
    first, second, third = (submit(context) for _ in range(3))
    seen: list[list[str]] = []

    class Looks(AttemptLog):
        def ended(self, claim: jobs.Claim, ended: Outcome | None) -> None:
            super().ended(claim, ended)
            seen.append(states(context, first, second, third))

    attempts = Looks()
    work = {"sentiment": lambda _attempt, _spec: {"count": 1}}
    executor.Executor(context, work, "cpu", "w", threading.Event(), attempts).run()
    each_once(attempts, first, second, third)
    assert seen == [
        ["succeeded", "queued", "queued"],
        ["succeeded", "succeeded", "running"],
        ["succeeded", "succeeded", "succeeded"],
    ]


def test_a_short_outcome_of_a_job_whose_lease_is_lost_is_not_written(context: Context) -> None:
    first, second = submit(context), submit(context)

    def work(attempt: Attempt, _spec: Any) -> dict[str, Any]:
        if attempt.job_id == first:
            change_job(context.database, first, lease=uuid.uuid4())
        return {"count": 1}

    attempts = run_queue(context, work)
    assert attempts.events == [
        ("started", first),
        ("lost", first),
        ("started", second),
        ("succeeded", second),
    ]
    assert states(context, first, second) == ["running", "succeeded"]
    assert get_job(context.database, first).result is None


def test_jobs_that_may_not_run_now_are_left_where_they_are(context: Context) -> None:
    backing_off, paused, cancelled, ready = (submit(context) for _ in range(4))
    change_job(context.database, backing_off, available_at=NEVER)
    with context.database.write() as session:
        jobs.pause(session, paused)
        jobs.cancel(session, cancelled)
    each_once(run_queue(context, easy), ready)
    assert states(context, backing_off, paused, cancelled) == ["queued", "paused", "cancelled"]


def test_two_processes_share_a_queue_and_do_each_job_once(context: Context) -> None:
    made = [submit(context) for _ in range(30)]
    together = threading.Barrier(2)
    attempts: list[AttemptLog] = []

    def work(attempt: Attempt, spec: Any) -> Finish:
        time.sleep(0.005)
        return easy(attempt, spec)

    def take_part() -> None:
        together.wait(DEADLINE_SECONDS)
        attempts.append(run_queue(context_of_its_own(context), work))

    threads = [threading.Thread(target=take_part) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(attempts[0].begun + attempts[1].begun) == sorted(made)
    assert all(attempts[number].begun for number in (0, 1))
    assert set(states(context, *made)) == {"succeeded"}


def context_of_its_own(context: Context) -> Context:
    return Context(context.settings, context.database, context.storage, context.broker)


# ---- an end before the queue is empty


def test_a_worker_that_is_stopped_leaves_the_rest_queued_and_wakes_another(
    context: Context, redis_server: "RedisProcess"
) -> None:
    first, *rest = (submit(context) for _ in range(4))
    stopping = threading.Event()

    def work(attempt: Attempt, spec: Any) -> Finish:
        stopping.set()  # and the work ends well all the same
        return easy(attempt, spec)

    each_once(run_queue(context, work, stopping), first)
    assert states(context, *rest) == ["queued"] * 3
    assert messages(redis_server) == 1
    each_once(run_queue(context, easy), *rest)


def test_a_worker_that_is_stopped_in_a_job_puts_it_back_and_takes_no_other(
    context: Context, redis_server: "RedisProcess"
) -> None:
    first, second = submit(context), submit(context)
    stopping = threading.Event()

    def work(_: Attempt, __: Any) -> Finish:
        stopping.set()
        raise Stopping

    attempts = run_queue(context, work, stopping)
    assert attempts.events == [("started", first), ("queued", first)]
    assert [get_job(context.database, job_id).attempt for job_id in (first, second)] == [0, 0]
    assert states_of(context.database, second) == ["queued"]
    assert messages(redis_server) == 1
    each_once(run_queue(context, easy), first, second)


def test_a_stop_between_two_jobs_costs_the_next_one_no_attempt(
    context: Context, redis_server: "RedisProcess"
) -> None:
    """It is claimed with the outcome of the one before, and the stop comes just then."""
    first, second = submit(context), submit(context)
    stopping = threading.Event()

    class StopsAfterTheFirst(AttemptLog):
        def ended(self, claim: jobs.Claim, ended: Outcome | None) -> None:
            super().ended(claim, ended)
            stopping.set()

    def work(attempt: Attempt, spec: Any) -> Finish:
        attempt.progress.check()
        return easy(attempt, spec)

    attempts = StopsAfterTheFirst()
    executor.Executor(context, {"sentiment": work}, "cpu", "w", stopping, attempts).run()
    assert attempts.events[:3] == [("started", first), ("succeeded", first), ("started", second)]
    assert attempts.events[3:] == [("queued", second)]
    assert (get_job(context.database, second).state, get_job(context.database, second).attempt) == (
        "queued",
        0,
    )
    assert messages(redis_server) == 1
    each_once(run_queue(context, easy), second)


def test_a_process_for_a_single_job_does_one_and_wakes_the_next(
    context: Context, redis_server: "RedisProcess"
) -> None:
    made = [submit(context) for _ in range(3)]
    each_once(run_queue(context, easy, single=True), made[0])
    assert states(context, *made) == ["succeeded", "queued", "queued"]
    assert states_of(context.database, made[1]) == ["queued"], "it was not claimed and put back"
    assert messages(redis_server) == 1
    each_once(run_queue(context, easy, single=True), made[1])
    assert messages(redis_server) == 2


def test_a_process_for_a_single_job_that_found_none_wakes_nobody(
    context: Context, redis_server: "RedisProcess"
) -> None:
    assert run_queue(context, easy, single=True).events == []
    assert messages(redis_server) == 0, "or a message would go round for ever"


def test_after_its_time_a_message_is_done_with_and_another_goes_on(
    context: Context, redis_server: "RedisProcess", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "MESSAGE_SECONDS", 0.0)
    first, second = submit(context), submit(context)
    each_once(run_queue(context, easy), first)
    assert states(context, second) == ["queued"]
    assert messages(redis_server) == 1


def test_whoever_stops_adds_no_message_to_a_queue_that_has_enough(
    context: Context, redis_server: "RedisProcess"
) -> None:
    submit(context)
    context.broker.wake("cpu", MAX_MESSAGES)
    run_queue(context, easy, single=True)
    assert messages(redis_server) == MAX_MESSAGES


def test_a_broker_that_is_away_keeps_nobody_from_the_jobs(
    context: Context, redis_server: "RedisProcess"
) -> None:
    redis_server.kill()
    made = [submit(context) for _ in range(2)]
    each_once(run_queue(context, easy, single=True), made[0])
    each_once(run_queue(context, easy), made[1])
    redis_server.restart()


# ---- a bad end of one job is not the end of the loop


@pytest.mark.parametrize(
    "ending", ["failed", "cancelled", "paused", "lost", "unknown spec", "broken at the commit"]
)
def test_whatever_becomes_of_a_job_the_next_one_is_done(context: Context, ending: str) -> None:
    first, second, third = (submit(context, text) for text in ("good", "bad", "good"))
    if ending == "unknown spec":
        change_job(context.database, second, spec={"texts": ["bad"], "of_a_later_version": 1})

    def interrupted(attempt: Attempt) -> Finish:
        ends = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < ends:
            attempt.progress.check()
            time.sleep(0.005)
        raise AssertionError("nobody interrupted the work")

    def work(attempt: Attempt, spec: Any) -> Finish:
        if spec.texts == ["good"]:
            return easy(attempt, spec)
        store(attempt)
        if ending == "failed":
            raise WorkError("no")
        if ending == "broken at the commit":
            # Its row is refused only after all that is written has been looked at.
            return lambda session: session.add(jobs.JobEvent(job_id=None)) or {}  # type: ignore[func-returns-value]
        if ending == "lost":
            change_job(context.database, attempt.job_id, lease=uuid.uuid4(), worker="another")
            return interrupted(attempt)
        with context.database.write() as session:
            {"cancelled": jobs.cancel, "paused": jobs.pause}[ending](session, attempt.job_id)
        return interrupted(attempt)

    attempts = run_queue(context, work)
    assert attempts.begun == [first, second, third]
    left = {"lost": "running", "cancelled": "cancelled", "paused": "paused"}.get(ending, "failed")
    assert states(context, first, second, third) == ["succeeded", left, "succeeded"]
    assert attempts.events[3] == ("lost" if ending == "lost" else left, second)
    assert stored_files(context) == []


def test_the_watcher_is_told_why_a_job_failed(context: Context) -> None:
    def work(_: Attempt, spec: Any) -> Finish:
        if spec.texts == ["bad"]:
            raise WorkError("no column")
        return lambda _: {}

    submit(context)
    submit(context, "bad")
    good, bad = run_queue(context, work).ends
    assert good == Outcome(State.SUCCEEDED)
    assert bad is not None
    assert (bad.state, bad.error) == (State.FAILED, "no column")
    assert bad.traceback is not None
    assert bad.traceback.rstrip().endswith("WorkError: no column")


def test_a_claim_that_was_rolled_back_is_not_worked_on(context: Context) -> None:
    """The outcome is refused at the commit, after the next job was claimed; and the worker is to stop."""
    first, second = submit(context, "bad"), submit(context)
    stopping = threading.Event()

    def work(_: Attempt, __: Any) -> Finish:
        def finish(session: Session) -> dict[str, Any]:
            session.add(jobs.JobEvent(job_id=None))
            stopping.set()
            return {}

        return finish

    attempts = run_queue(context, work, stopping)
    assert attempts.events == [("started", first), ("failed", first)]
    assert states_of(context.database, second) == ["queued"]


# ---- the database goes away at the outcome


def broken_connection() -> sa.exc.OperationalError:
    return sa.exc.OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))


def lose_the_answer_of_the_write(
    context: Context, monkeypatch: pytest.MonkeyPatch, is_it: Callable[[Session], bool]
) -> list[int]:
    """The first commit of which `is_it` says so has happened, but its answer is lost."""
    write = context.database.write
    lost: list[int] = []

    @contextmanager
    def lossy() -> Iterator[Session]:
        with write() as session:
            yield session
            loses = not lost and is_it(session)
        if loses:
            lost.append(1)
            raise broken_connection()

    monkeypatch.setattr(context.database, "write", lossy)
    return lost


def test_an_outcome_that_the_database_refused_at_first_is_written_once_with_the_next_claim(
    context: Context,
) -> None:
    made = [submit(context) for _ in range(3)]
    tried: list[int] = []

    def work(attempt: Attempt, spec: Any) -> Finish:
        def finish(_: Session) -> dict[str, Any]:
            tried.append(1)
            if len(tried) == 1:
                raise broken_connection()
            return {"texts": spec.texts}

        return finish

    each_once(run_queue(context, work), *made)
    assert len(tried) == 4
    for job_id in made:
        assert states_of(context.database, job_id) == ["queued", "running", "succeeded"]
        assert get_job(context.database, job_id).attempt == 1


def test_an_outcome_whose_claim_failed_is_written_once_when_the_database_is_back(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are one transaction: as long as the next job can't be claimed, this one has not ended."""
    made = [submit(context) for _ in range(2)]
    claim = jobs.claim
    claims: list[int] = []

    def breaks_once(*given: Any, **named: Any) -> jobs.Claim | None:
        claims.append(1)
        if len(claims) == 2:
            raise broken_connection()
        return claim(*given, **named)

    monkeypatch.setattr(jobs, "claim", breaks_once)
    each_once(run_queue(context, easy), *made)
    for job_id in made:
        assert states_of(context.database, job_id) == ["queued", "running", "succeeded"]


def test_a_success_whose_answer_was_lost_is_not_done_twice_and_the_job_claimed_with_it_runs_again(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit has happened, but the connection broke before the worker heard of it."""
    first, second, third = (submit(context) for _ in range(3))
    worked: list[uuid.UUID] = []

    def work(attempt: Attempt, spec: Any) -> Finish:
        worked.append(attempt.job_id)
        stored = store(attempt)

        def finish(session: Session) -> dict[str, Any]:
            storage.add_file(session, stored, name="s.csv", media_type="text/csv", job_id=attempt.job_id)
            return {"texts": spec.texts}

        return finish

    def ends_the_first(session: Session) -> bool:
        done = sa.select(Job.state).where(Job.id == first)
        return session.scalar(done) == State.SUCCEEDED

    lost = lose_the_answer_of_the_write(context, monkeypatch, ends_the_first)
    attempts = run_queue(context, work)
    assert lost == [1]
    # Job 2 was claimed with that commit: nobody works on it, until its lease runs out.
    assert worked == [first, third]
    assert attempts.events == [
        ("started", first),
        ("lost", first),
        ("started", third),
        ("succeeded", third),
    ]
    assert states(context, first, second, third) == ["succeeded", "running", "succeeded"]
    assert states_of(context.database, first) == ["queued", "running", "succeeded"]
    assert get_job(context.database, first).result == {"texts": ["one"]}

    change_job(context.database, second, lease_expires_at=LONG_AGO)
    with context.database.write() as session:
        assert [job.id for job in jobs.rescue(session)] == [second]
    change_job(context.database, second, available_at=LONG_AGO)
    each_once(run_queue(context, work), second)
    assert worked == [first, third, second]
    with context.database.read() as session:
        kept = [storage.artifacts(session, job_id) for job_id in (first, second, third)]
    assert [len(files) for files in kept] == [1, 1, 1]
    assert stored_files(context) == sorted(file.storage_key for files in kept for file in files)


def test_a_failure_whose_answer_was_lost_is_not_written_over_and_the_next_jobs_run(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = submit(context, "bad"), submit(context), submit(context)

    def work(attempt: Attempt, spec: Any) -> Finish:
        if spec.texts == ["bad"]:
            raise WorkError("no")
        return easy(attempt, spec)

    def ends_the_first(session: Session) -> bool:
        return session.scalar(sa.select(Job.state).where(Job.id == first)) == State.FAILED

    assert lose_the_answer_of_the_write(context, monkeypatch, ends_the_first) == []
    run_queue(context, work)
    assert states_of(context.database, first) == ["queued", "running", "failed"]
    assert states(context, first, second, third) == ["failed", "running", "succeeded"]


def test_a_worker_that_gave_up_an_outcome_takes_no_other_job(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    first, second = submit(context), submit(context)

    def work(_: Attempt, __: Any) -> Finish:
        def finish(_: Session) -> dict[str, Any]:
            raise broken_connection()

        return finish

    assert run_queue(context, work).events == [("started", first), ("lost", first)]
    assert states(context, first, second) == ["running", "queued"]
