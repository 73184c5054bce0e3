"""A job's states and verbs, on both databases: what each verb does in each state, and what it must not."""

import datetime
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, Event, Thread
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.database import Database, utcnow
from jobyard.shared.errors import Conflict, NotFound
from jobyard.shared.jobs import MOVES, TERMINAL, Claim, Job, JobEvent, Progress, State
from tests import factories
from tests.factories import LONG_AGO, change_job, claimed, new_job, states_of, submit
from tests.waiting import at_once

THREADS = 16
LEASE_SECONDS = 30.0

T = TypeVar("T")
Verb = Callable[[Session, uuid.UUID, uuid.UUID], object]

# Each verb of shared/jobs, and where it leads from each state that allows it; in all others it
# changes nothing. (`submit` makes the row.)
VERBS: dict[str, Verb] = {
    "cancel": lambda session, job_id, _: jobs.cancel(session, job_id),
    "pause": lambda session, job_id, _: jobs.pause(session, job_id),
    "resume": lambda session, job_id, _: jobs.resume(session, job_id),
    "retry": lambda session, job_id, _: jobs.retry(session, job_id, 3),
    "claim": lambda session, job_id, _: factories.claim(session, job_id),
    "heartbeat": lambda session, job_id, lease: jobs.heartbeat(
        session, job_id, lease, lease_seconds=LEASE_SECONDS, progress=Progress("p", 1, 2, "rows", None)
    ),
    "succeed": lambda session, job_id, lease: jobs.succeed(session, job_id, lease, {"count": 1}),
    "fail": lambda session, job_id, lease: jobs.fail(session, job_id, lease, error_type="E", message="why"),
    "finish_cancel": lambda session, job_id, lease: jobs.finish_cancel(session, job_id, lease),
    "release": lambda session, job_id, lease: jobs.release(session, job_id, lease),
    "rescue": lambda session, _, __: jobs.rescue(session),
    "expire": lambda session, _, __: jobs.expire(session),
}
LEADS: dict[str, dict[State, State]] = {
    "cancel": {
        State.QUEUED: State.CANCELLED,
        State.WAITING: State.CANCELLED,
        State.PAUSED: State.CANCELLED,
        State.RUNNING: State.RUNNING,
    },
    "pause": {State.QUEUED: State.PAUSED, State.WAITING: State.PAUSED, State.RUNNING: State.RUNNING},
    "resume": {State.PAUSED: State.QUEUED},
    "retry": {State.FAILED: State.QUEUED, State.CANCELLED: State.QUEUED},
    "claim": {State.QUEUED: State.RUNNING},
    "heartbeat": {State.RUNNING: State.RUNNING},
    "succeed": {State.RUNNING: State.SUCCEEDED},
    "fail": {State.RUNNING: State.FAILED},
    "finish_cancel": {State.RUNNING: State.CANCELLED},
    "release": {State.RUNNING: State.QUEUED},
    "rescue": {State.RUNNING: State.QUEUED},
    "expire": {State.QUEUED: State.FAILED, State.RUNNING: State.FAILED, State.WAITING: State.FAILED},
}
OWNERS = ("cancel", "pause", "resume", "retry")
# The moves of parents and children: test_children.py has them.
FAMILY = {
    (State.RUNNING, State.WAITING),
    (State.WAITING, State.QUEUED),
    (State.QUEUED, State.WAITING),
    (State.PAUSED, State.WAITING),
}


# ---- helpers: everything through the product's own verbs, except the clock


def next_claim(session: Session, queue: str = "cpu", worker: str = "w") -> Claim | None:
    """What a worker of the queue gets."""
    return jobs.claim(session, queue, worker=worker, lease_seconds=LEASE_SECONDS)


def in_state(database: Database, state: State) -> tuple[uuid.UUID, uuid.UUID]:
    """A job in that state, and the lease that it has or last had."""
    job_id = new_job(database)
    lease = uuid.uuid4()
    if state in (State.QUEUED, State.WAITING, State.PAUSED):
        if state != State.QUEUED:
            change_job(database, job_id, state=state)
        return job_id, lease
    lease = claimed(database, job_id).lease
    ending = {State.SUCCEEDED: "succeed", State.FAILED: "fail", State.CANCELLED: "finish_cancel"}
    if state in ending:
        with database.write() as session:
            VERBS[ending[state]](session, job_id, lease)
    return job_id, lease


def expire(database: Database, job_id: uuid.UUID) -> None:
    change_job(database, job_id, lease_expires_at=LONG_AGO)


def row(database: Database, job_id: uuid.UUID) -> dict[str, Any]:
    with database.read() as session:
        return dict(session.execute(sa.select(Job.__table__).where(Job.id == job_id)).mappings().one())


def timeline(database: Database, job_id: uuid.UUID) -> list[JobEvent]:
    with database.read() as session:
        return jobs.events(session, job_id)


# ---- verbs and states


@pytest.mark.parametrize("verb", VERBS)
def test_verb_leads_where_its_table_says_and_elsewhere_changes_nothing(database: Database, verb: str) -> None:
    for state in State:
        job_id, lease = in_state(database, state)
        if verb == "rescue" and state == State.RUNNING:
            expire(database, job_id)
        if verb == "expire":
            change_job(database, job_id, deadline_at=LONG_AGO)
        before, events_before = row(database, job_id), len(timeline(database, job_id))

        conflict = False
        with database.write() as session:
            try:
                VERBS[verb](session, job_id, lease)
            except Conflict:
                conflict = True

        after, events = row(database, job_id), timeline(database, job_id)
        if state not in LEADS[verb]:
            assert after == before, f"{verb} in {state}"
            assert len(events) == events_before, f"{verb} in {state}"
            assert conflict == (verb in OWNERS)
            continue
        assert not conflict
        assert after["state"] == LEADS[verb][state]
        assert after["version"] == before["version"] + 1
        noted = 0 if verb == "heartbeat" else 1
        assert len(events) == events_before + noted, f"{verb} in {state}"
        if noted:
            assert events[-1].state == LEADS[verb][state]


def test_the_verbs_make_exactly_the_moves_of_the_table(database: Database) -> None:
    seen = set()
    for verb, leads in LEADS.items():
        for state in leads:
            for asked in (None, jobs.cancel, jobs.pause):
                for attempts in (1, 3):
                    job_id, lease = in_state(database, state)
                    change_job(database, job_id, max_attempts=attempts)
                    if asked and state == State.RUNNING:
                        with database.write() as session:
                            asked(session, job_id)
                    if verb == "rescue":
                        expire(database, job_id)
                    if verb == "expire":
                        change_job(database, job_id, deadline_at=LONG_AGO)
                    with database.write() as session:
                        VERBS[verb](session, job_id, lease)
                    seen.add((state, State(row(database, job_id)["state"])))
    moves = {(source, target) for source, targets in MOVES.items() for target in targets}
    assert {(source, target) for source, target in seen if source != target} == moves - FAMILY


def test_unknown_job_is_not_found_by_its_owner_and_nothing_to_its_worker(database: Database) -> None:
    nobody, lease = uuid.uuid4(), uuid.uuid4()
    for verb in OWNERS:
        with database.write() as session, pytest.raises(NotFound, match=str(nobody)):
            VERBS[verb](session, nobody, lease)
    for verb in ("claim", "heartbeat", "succeed", "fail", "finish_cancel", "release"):
        with database.write() as session:
            assert not VERBS[verb](session, nobody, lease)


def test_a_verb_that_is_rolled_back_never_happened(database: Database) -> None:
    job_id = new_job(database)
    before = row(database, job_id)

    def claim_and_stumble() -> None:
        with database.write() as session:
            assert next_claim(session) is not None
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        claim_and_stumble()
    assert row(database, job_id) == before
    assert states_of(database, job_id) == ["queued"]


@pytest.mark.parametrize(
    ("state", "constraint", "values"),
    [
        (State.QUEUED, "ck_jobs_state", {"state": "resting"}),
        (State.QUEUED, "ck_jobs_terminal_is_finished", {"finished_at": LONG_AGO}),
        (State.QUEUED, "ck_jobs_terminal_is_finished", {"state": "cancelled"}),
        (State.SUCCEEDED, "ck_jobs_terminal_is_finished", {"finished_at": None}),
        (State.QUEUED, "ck_jobs_running_has_lease", {"state": "running"}),
        (State.QUEUED, "ck_jobs_running_has_lease", {"lease": uuid.uuid4(), "lease_expires_at": LONG_AGO}),
        (State.RUNNING, "ck_jobs_running_has_lease", {"state": "queued"}),
        (State.RUNNING, "ck_jobs_lease_expires", {"lease_expires_at": None}),
        (State.QUEUED, "ck_jobs_lease_expires", {"lease_expires_at": LONG_AGO}),
        (State.FAILED, "ck_jobs_failed_says_why", {"error_message": None}),
        (State.SUCCEEDED, "ck_jobs_failed_says_why", {"error_message": "why"}),
        (State.QUEUED, "ck_jobs_priority", {"priority": 10}),
        (State.QUEUED, "ck_jobs_priority", {"priority": -1}),
        (State.QUEUED, "ck_jobs_attempts", {"attempt": -1}),
        (State.QUEUED, "ck_jobs_attempts", {"max_attempts": 0}),
    ],
)
def test_database_refuses_a_row_that_no_verb_could_make(
    database: Database, state: State, constraint: str, values: dict[str, Any]
) -> None:
    job_id, _ = in_state(database, state)
    before = row(database, job_id)
    with pytest.raises(sa.exc.IntegrityError, match=constraint):
        change_job(database, job_id, **values)
    assert row(database, job_id) == before


# ---- submit


def test_submit_makes_a_queued_job_that_keeps_what_was_asked(database: Database) -> None:
    spec = {"texts": ["NUL \x00, snowman ☃, quote '\""], "thresholds": {"positive": 0.05}}
    job_id = new_job(database, spec=spec, priority=7, max_attempts=4)
    kept = row(database, job_id)
    assert kept["spec"] == spec
    assert (kept["state"], kept["priority"], kept["attempt"], kept["max_attempts"]) == ("queued", 7, 0, 4)
    assert kept["result"] is None
    assert states_of(database, job_id) == ["queued"]


def test_one_key_in_sixteen_threads_makes_one_job(database: Database) -> None:
    def one(_: int) -> tuple[uuid.UUID, bool]:
        with database.write() as session:
            job, is_new = jobs.submit(
                session,
                kind="sentiment",
                queue="cpu",
                spec={"texts": ["one"]},
                priority=5,
                max_attempts=3,
                idempotency_key="key",
                request_sha256="a" * 64,
            )
            return job.id, is_new

    answers = at_once(THREADS, one)
    assert len({job_id for job_id, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Job)) == 1
        assert session.scalar(sa.select(sa.func.count()).select_from(JobEvent)) == 1


def test_a_key_for_another_request_is_a_conflict_that_names_the_first_job(database: Database) -> None:
    first = new_job(database, idempotency_key="key", request_sha256="a" * 64)
    with database.write() as session, pytest.raises(Conflict, match=str(first)):
        submit(session, idempotency_key="key", request_sha256="b" * 64)
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Job)) == 1


def test_jobs_without_a_key_are_all_new(database: Database) -> None:
    assert new_job(database) != new_job(database)


# ---- claim and lease


def test_a_claim_tells_a_worker_all_that_it_needs(database: Database) -> None:
    spec = {"texts": ["snowman ☃"], "thresholds": {"positive": 0.05}}
    job_id = new_job(database, spec=spec, kind="import")
    lease = claimed(database, job_id).lease
    with database.write() as session:
        jobs.keep_checkpoint(session, job_id, lease, "checkpoints/1")
    expire(database, job_id)
    with database.write() as session:
        jobs.rescue(session)
    change_job(database, job_id, available_at=LONG_AGO)
    with database.write() as session:
        claim = next_claim(session)
    kept = row(database, job_id)
    assert claim == Claim(job_id, "import", "cpu", spec, 2, kept["lease"], "checkpoints/1")
    assert claim.lease != lease


def test_sixteen_workers_claim_one_job_and_one_has_it(database: Database) -> None:
    job_id = new_job(database)

    def one(number: int) -> tuple[int, Claim] | None:
        with database.write() as session:
            claim = next_claim(session, worker=f"w{number}")
        return None if claim is None else (number, claim)

    ((number, claim),) = [found for found in at_once(THREADS, one) if found is not None]
    kept = row(database, job_id)
    assert (kept["state"], kept["attempt"], kept["lease"]) == ("running", 1, claim.lease)
    assert (claim.id, kept["worker"]) == (job_id, f"w{number}")
    assert states_of(database, job_id) == ["queued", "running"]


def line_of(database: Database, count: int) -> list[uuid.UUID]:
    """So many jobs of all priorities, in the order in which they should run."""
    made = [(number * 7 % 10, new_job(database, priority=number * 7 % 10)) for number in range(count)]
    return [job_id for _, job_id in sorted(made, key=lambda one: (-one[0], one[1]))]


def test_a_queue_is_claimed_by_priority_and_then_by_age(database: Database) -> None:
    line = line_of(database, 25)
    new_job(database, queue="gpu", priority=9)
    taken = []
    for _ in line:
        with database.write() as session:
            claim = next_claim(session)
            assert claim is not None
            taken.append(claim.id)
    assert taken == line
    with database.write() as session:
        assert next_claim(session) is None
        assert next_claim(session, "predict") is None
        assert next_claim(session, "gpu") is not None


@pytest.mark.parametrize("count", [16, 40])
def test_sixteen_workers_claim_a_queue_empty_each_job_once_and_in_the_order_of_the_line(
    database: Database, count: int
) -> None:
    line = line_of(database, count)

    def work_on(number: int) -> list[Claim]:
        taken = []
        while True:
            with database.write() as session:
                claim = next_claim(session, worker=f"w{number}")
            if claim is None:
                return taken
            taken.append(claim)

    taken = at_once(THREADS, work_on)
    assert sorted(claim.id for claims_of in taken for claim in claims_of) == sorted(line)
    for number, claims_of in enumerate(taken):
        places = [line.index(claim.id) for claim in claims_of]
        assert places == sorted(places)
        for claim in claims_of:
            kept = row(database, claim.id)
            assert (kept["worker"], kept["lease"], kept["attempt"]) == (f"w{number}", claim.lease, 1)
    for job_id in line:
        assert states_of(database, job_id) == ["queued", "running"]
    if database.engine.dialect.name == "sqlite":  # where they come one after another
        with database.read() as session:
            running = sa.select(JobEvent.job_id).where(JobEvent.state == State.RUNNING).order_by(JobEvent.id)
            assert list(session.scalars(running)) == line


def test_on_postgresql_a_claim_passes_over_what_another_is_taking_without_waiting(postgres_url: str) -> None:
    database = Database(postgres_url)
    try:
        first, second = new_job(database), new_job(database)
        with database.read() as undecided:  # rolled back in the end
            claim = next_claim(undecided, worker="a")
            assert claim is not None
            assert claim.id == first
            with database.write() as session:
                session.execute(sa.text("SET LOCAL lock_timeout = '10ms'"))
                claim = next_claim(session, worker="b")
                assert claim is not None
                assert claim.id == second
                assert next_claim(session, worker="b") is None
        with database.write() as session:
            claim = next_claim(session, worker="c")
            assert claim is not None
            assert claim.id == first
        assert row(database, first)["attempt"] == 1
    finally:
        database.dispose()


def test_on_postgresql_sixteen_claims_are_open_at_once_and_each_has_another_job(postgres_url: str) -> None:
    database = Database(postgres_url)
    line = line_of(database, THREADS)
    all_have_one = Barrier(THREADS)

    def one(_: int) -> uuid.UUID | None:
        with database.write() as session:
            claim = next_claim(session)
            all_have_one.wait(30)
        return claim and claim.id

    try:
        assert set(at_once(THREADS, one)) == set(line)
    finally:
        database.dispose()


def test_a_claim_passes_over_all_that_nobody_may_run_now(database: Database) -> None:
    for state in State:
        if state != State.QUEUED:
            in_state(database, state)
    backing_off = new_job(database, priority=9)
    lose(database, backing_off)
    new_job(database, queue="gpu", priority=9)
    last = new_job(database, priority=0)
    with database.write() as session:
        claim = next_claim(session)
        assert claim is not None
        assert claim.id == last
        assert next_claim(session) is None
    change_job(database, backing_off, available_at=LONG_AGO)
    with database.write() as session:
        claim = next_claim(session)
        assert claim is not None
        assert (claim.id, claim.attempt) == (backing_off, 2)


def test_lease_and_times_are_by_the_clock_of_the_database(database: Database) -> None:
    with database.read() as session:
        before = session.scalar(sa.select(utcnow()))
    job_id = new_job(database)
    claimed(database, job_id)
    with database.read() as session:
        after = session.scalar(sa.select(utcnow()))
    kept = row(database, job_id)
    assert before is not None
    assert after is not None
    for name in ("created_at", "queued_at", "available_at", "started_at"):
        assert kept[name].tzinfo == datetime.UTC
        assert before <= kept[name] <= after, name
    length = datetime.timedelta(seconds=LEASE_SECONDS)
    assert before + length <= kept["lease_expires_at"] <= after + length


def test_the_database_adds_and_takes_seconds(database: Database) -> None:
    with database.read() as session:
        now, later, earlier = session.execute(sa.select(utcnow(), utcnow(90.5), utcnow(-3600))).one()
    assert abs((later - now).total_seconds() - 90.5) < 1
    assert abs((now - earlier).total_seconds() - 3600) < 1


def test_heartbeat_renews_the_lease_and_only_progress_is_a_new_version(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    expire(database, job_id)
    before = row(database, job_id)
    with database.write() as session:
        jobs.heartbeat(session, job_id, lease, lease_seconds=LEASE_SECONDS, progress=None)
    silent = row(database, job_id)
    assert silent["lease_expires_at"] > before["lease_expires_at"]
    assert {**silent, "lease_expires_at": LONG_AGO} == {**before, "lease_expires_at": LONG_AGO}
    with database.write() as session:
        told = Progress("scoring", 10, 40, "texts", 1.5)
        jobs.heartbeat(session, job_id, lease, lease_seconds=LEASE_SECONDS, progress=told)
    spoken = row(database, job_id)
    assert spoken["version"] == before["version"] + 1
    assert (spoken["phase"], spoken["progress_done"], spoken["progress_total"]) == ("scoring", 10, 40)
    assert (spoken["progress_unit"], spoken["eta_seconds"]) == ("texts", 1.5)


@pytest.mark.parametrize("verb", ["heartbeat", "succeed", "fail", "finish_cancel", "release"])
def test_a_worker_that_lost_its_lease_changes_nothing(database: Database, verb: str) -> None:
    job_id = new_job(database)
    old = claimed(database, job_id, "lost").lease
    expire(database, job_id)
    with database.write() as session:
        assert [job.id for job in jobs.rescue(session)] == [job_id]
    change_job(database, job_id, available_at=LONG_AGO)
    claimed(database, job_id, "next")
    before, events_before = row(database, job_id), states_of(database, job_id)
    with database.write() as session:
        assert not VERBS[verb](session, job_id, old)
    assert row(database, job_id) == before
    assert states_of(database, job_id) == events_before


def test_an_expired_lease_that_nobody_took_is_still_its_workers(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    expire(database, job_id)
    with database.write() as session:
        assert jobs.succeed(session, job_id, lease, {"count": 1}) is True
    assert row(database, job_id)["result"] == {"count": 1}


# ---- rescue


def lose(database: Database, job_id: uuid.UUID) -> None:
    """Run the job once more, and lose its worker."""
    change_job(database, job_id, available_at=LONG_AGO)
    claimed(database, job_id, "lost")
    expire(database, job_id)
    with database.write() as session:
        assert [job.id for job in jobs.rescue(session)] == [job_id]


def test_rescue_waits_longer_each_time_and_no_claim_comes_before(database: Database) -> None:
    job_id = new_job(database, max_attempts=10)
    waits = []
    for _ in range(7):
        lose(database, job_id)
        kept = row(database, job_id)
        waits.append((kept["available_at"] - kept["queued_at"]).total_seconds())
        with database.write() as session:
            assert next_claim(session) is None
    assert waits == pytest.approx([2, 4, 8, 16, 32, 60, 60], abs=0.5)
    assert (kept["worker"], kept["lease"], kept["phase"]) == (None, None, None)


def test_a_job_that_loses_all_its_workers_fails_and_says_so(database: Database) -> None:
    job_id = new_job(database, max_attempts=3)
    for _ in range(3):
        lose(database, job_id)
    kept = row(database, job_id)
    assert (kept["state"], kept["error_type"], kept["attempt"]) == ("failed", "WorkerLost", 3)
    assert "worker lost was lost (attempt 3 of 3)" in kept["error_message"]
    assert "\n" not in kept["error_message"]
    assert states_of(database, job_id) == ["queued", *["running", "queued"] * 2, "running", "failed"]


@pytest.mark.parametrize("max_attempts", [1, 3])
def test_a_job_that_was_to_be_cancelled_when_its_worker_was_lost_is_cancelled(
    database: Database, max_attempts: int
) -> None:
    job_id = new_job(database, max_attempts=max_attempts)
    claimed(database, job_id)
    with database.write() as session:
        jobs.cancel(session, job_id)
    expire(database, job_id)
    with database.write() as session:
        jobs.rescue(session)
    kept = row(database, job_id)
    assert kept["state"] == State.CANCELLED
    assert kept["finished_at"] is not None


def test_rescue_leaves_living_workers_alone_and_takes_the_oldest_first(database: Database) -> None:
    living = new_job(database)
    claimed(database, living)
    lost = [new_job(database) for _ in range(3)]
    for age, job_id in enumerate(lost):
        claimed(database, job_id)
        change_job(database, job_id, lease_expires_at=LONG_AGO - datetime.timedelta(days=age))
    with database.write() as session:
        assert [job.id for job in jobs.rescue(session, limit=2)] == [lost[2], lost[1]]
    assert row(database, lost[0])["state"] == row(database, living)["state"] == State.RUNNING


def test_several_sweepers_at_once_rescue_each_job_once(database: Database) -> None:
    lost = [new_job(database) for _ in range(20)]
    for job_id in lost:
        claimed(database, job_id)
        expire(database, job_id)

    def sweep(_: int) -> list[uuid.UUID]:
        with database.write() as session:
            return [job.id for job in jobs.rescue(session)]

    at_once(8, sweep)
    with database.write() as session:  # what a sweeper skipped because another one had it
        assert jobs.rescue(session) == []
    for job_id in lost:
        assert states_of(database, job_id) == ["queued", "running", "queued"]


# ---- release, cancel, retry


def test_release_costs_no_attempt_and_no_wait(database: Database) -> None:
    job_id = new_job(database, max_attempts=1)
    for _ in range(3):
        lease = claimed(database, job_id).lease
        with database.write() as session:
            assert jobs.release(session, job_id, lease) is not None
    kept = row(database, job_id)
    assert (kept["state"], kept["attempt"], kept["worker"]) == ("queued", 0, None)


def test_release_of_a_job_that_was_to_be_cancelled_cancels_it(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        jobs.cancel(session, job_id)
    with database.write() as session:
        jobs.release(session, job_id, lease)
    assert row(database, job_id)["state"] == State.CANCELLED


def test_cancel_of_a_queued_job_is_at_once(database: Database) -> None:
    job_id = new_job(database)
    with database.write() as session:
        assert jobs.cancel(session, job_id).state == State.CANCELLED
    kept = row(database, job_id)
    assert kept["finished_at"] is not None
    with database.write() as session:
        assert next_claim(session) is None


def test_cancel_of_a_running_job_is_a_request_that_its_heartbeat_brings(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        assert jobs.cancel(session, job_id).state == State.RUNNING
    asked = row(database, job_id)["cancel_requested_at"]
    with database.write() as session:
        job = jobs.heartbeat(session, job_id, lease, lease_seconds=LEASE_SECONDS, progress=None)
    assert job is not None
    assert job.cancel_requested_at is not None
    with database.write() as session:  # once more is no error, and the first request stands
        jobs.cancel(session, job_id)
    assert row(database, job_id)["cancel_requested_at"] == asked
    with database.write() as session:
        assert jobs.finish_cancel(session, job_id, lease) is not None
    assert row(database, job_id)["state"] == State.CANCELLED


def test_retry_begins_anew_with_a_fresh_budget(database: Database) -> None:
    job_id = new_job(database, max_attempts=2)
    lose(database, job_id)
    lose(database, job_id)
    failed = row(database, job_id)
    assert failed["state"] == State.FAILED
    with database.write() as session:
        jobs.retry(session, job_id, 2)
    kept = row(database, job_id)
    assert (kept["state"], kept["attempt"], kept["max_attempts"]) == ("queued", 2, 4)
    for name in ("error_type", "error_message", "finished_at", "cancel_requested_at", "phase", "result"):
        assert kept[name] is None, name
    assert kept["created_at"] == failed["created_at"]
    assert kept["queued_at"] > failed["queued_at"]
    lose(database, job_id)
    assert row(database, job_id)["state"] == State.QUEUED
    lose(database, job_id)
    assert row(database, job_id)["state"] == State.FAILED


def test_a_cancelled_job_that_is_retried_runs(database: Database) -> None:
    job_id = new_job(database)
    with database.write() as session:
        jobs.cancel(session, job_id)
    with database.write() as session:
        jobs.retry(session, job_id, 3)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        job = jobs.heartbeat(session, job_id, lease, lease_seconds=LEASE_SECONDS, progress=None)
    assert job is not None
    assert job.cancel_requested_at is None


# ---- the timeline


def test_every_move_is_a_row_of_the_timeline_in_order(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id, "first").lease
    with database.write() as session:
        jobs.release(session, job_id, lease)
    lease = claimed(database, job_id, "second").lease
    with database.write() as session:
        jobs.fail(session, job_id, lease, error_type="E", message="why", traceback="where\nand how")
    with database.write() as session:
        jobs.retry(session, job_id, 3)
    lease = claimed(database, job_id, "third").lease
    with database.write() as session:
        jobs.succeed(session, job_id, lease, {})
    events = timeline(database, job_id)
    assert [(event.state, event.attempt, event.worker) for event in events] == [
        ("queued", 0, None),
        ("running", 1, "first"),
        ("queued", 0, None),
        ("running", 1, "second"),
        ("failed", 1, "second"),
        ("queued", 1, "second"),
        ("running", 2, "third"),
        ("succeeded", 2, "third"),
    ]
    assert (events[4].message, events[4].traceback) == ("why", "where\nand how")
    assert [event.at for event in events] == sorted(event.at for event in events)
    with database.read() as session:
        assert [event.id for event in jobs.events(session, job_id, after=events[5].id)] == [
            event.id for event in events[6:]
        ]


def test_a_lost_worker_is_named_in_the_timeline(database: Database) -> None:
    job_id = new_job(database)
    lose(database, job_id)
    last = timeline(database, job_id)[-1]
    assert (last.state, last.worker) == ("queued", "lost")
    assert last.message == "worker lost was lost (attempt 1 of 3)"


# ---- order and pages


def test_position_is_by_priority_and_then_by_age_within_a_queue(database: Database) -> None:
    low = new_job(database, priority=1)
    first, second = new_job(database), new_job(database)
    high = new_job(database, priority=9)
    new_job(database, priority=9, queue="gpu")
    with database.autocommit() as connection:
        places = {job_id: jobs.read_version(connection, job_id).position for job_id in (low, first, second)}
    assert places == {first: 2, second: 3, low: 4}
    with database.write() as session:
        claim = next_claim(session)
        assert claim is not None
        assert claim.id == high
    with database.autocommit() as connection:
        assert jobs.read_version(connection, first).position == 1
        assert jobs.read_version(connection, high).position is None


def test_ready_jobs_are_those_that_could_have_been_claimed_for_so_long(database: Database) -> None:
    old, _, later = new_job(database), new_job(database), new_job(database)
    change_job(database, old, available_at=LONG_AGO)
    change_job(database, later, available_at=datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC))
    with database.read() as session:
        assert jobs.count_ready(session, "cpu", 60) == 1
        assert jobs.count_ready(session, "cpu", 0) == 2
        assert jobs.count_ready(session, "gpu", 0) == 0


def test_pages_are_whole_and_without_doubles_while_jobs_are_added(database: Database) -> None:
    there = {new_job(database) for _ in range(40)}
    ended = Event()

    def add() -> None:
        while not ended.is_set():
            new_job(database)
            time.sleep(0.001)

    thread = Thread(target=add)
    thread.start()
    try:
        found: list[uuid.UUID] = []
        before = None
        while True:
            with database.read() as session:
                part = [job.id for job in jobs.page(session, before=before, limit=7)]
            if not part:
                break
            found += part
            before = part[-1]
    finally:
        ended.set()
        thread.join()
    assert len(found) == len(set(found))
    assert there <= set(found)
    assert found == sorted(found, reverse=True)


def test_pages_are_of_a_kind_and_a_state_and_without_children(database: Database) -> None:
    text = new_job(database)
    training = new_job(database, kind="train", queue="gpu")
    running = new_job(database)
    claimed(database, running)
    child = new_job(database)
    change_job(database, child, parent_id=text)
    with database.read() as session:
        assert [job.id for job in jobs.page(session)] == [running, training, text]
        assert [job.id for job in jobs.page(session, kind="sentiment")] == [running, text]
        assert [job.id for job in jobs.page(session, kind="sentiment", state="running")] == [running]
        counted = jobs.counts(session)
        assert set(counted) == set(State)
        assert {state: count for state, count in counted.items() if count} == {"queued": 2, "running": 1}


# ---- any order of verbs


class AnyOrder(RuleBasedStateMachine):
    """Whatever owners, workers, sweepers and clocks do, in whatever order: the promises hold."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        with database.write() as session:
            session.execute(sa.delete(Job))
        self.jobs: list[uuid.UUID] = []
        self.leases: dict[uuid.UUID, list[uuid.UUID]] = {}
        self.last: dict[uuid.UUID, dict[str, Any]] = {}

    @contextmanager
    def moving(self, verb: str) -> Iterator[Session]:
        with self.database.write() as session:
            yield session
        for job_id in self.jobs:
            now, before = row(self.database, job_id), self.last.get(job_id)
            if before is not None and now["state"] != before["state"]:
                assert now["state"] in MOVES[State(before["state"])]
                assert states_of(self.database, job_id)[-1] == now["state"]
                assert now["version"] > before["version"]
            if before is not None and before["state"] in TERMINAL and verb != "retry":
                assert now == before
            self.last[job_id] = now

    def pick(self, data: st.DataObject) -> uuid.UUID | None:
        return data.draw(st.sampled_from(self.jobs)) if self.jobs else None

    @rule(max_attempts=st.integers(1, 3), priority=st.integers(0, 9))
    def submit(self, max_attempts: int, priority: int) -> None:
        with self.moving("submit") as session:
            job = submit(session, max_attempts=max_attempts, priority=priority)
            self.jobs.append(job.id)
            self.leases[job.id] = []

    @rule()
    def claim(self) -> None:
        line = sorted(
            (one for one in self.last.values() if one["state"] == State.QUEUED),
            key=lambda one: (-one["priority"], one["id"]),
        )
        with self.moving("claim") as session:
            now = session.scalar(sa.select(utcnow()))
            claim = next_claim(session)
        # A backoff may have ended between the two statements.
        passed = line
        if claim is not None:
            passed = line[: [one["id"] for one in line].index(claim.id)]
            self.leases[claim.id].append(claim.lease)
            kept = self.last[claim.id]
            assert (kept["state"], kept["lease"]) == (State.RUNNING, claim.lease)
            assert claim.attempt == kept["attempt"] <= kept["max_attempts"]
        assert all(one["available_at"] > now for one in passed)

    @rule(data=st.data(), verb=st.sampled_from(["heartbeat", "succeed", "fail", "finish_cancel", "release"]))
    def work(self, data: st.DataObject, verb: str) -> None:
        job_id = self.pick(data)
        if job_id is None or not self.leases[job_id]:
            return
        lease = data.draw(st.sampled_from(self.leases[job_id]))
        holds = self.last[job_id]["lease"] == lease
        with self.moving(verb) as session:
            assert bool(VERBS[verb](session, job_id, lease)) == holds

    @rule(data=st.data(), verb=st.sampled_from(["cancel", "retry"]))
    def ask(self, data: st.DataObject, verb: str) -> None:
        if (job_id := self.pick(data)) is None:
            return
        allowed = State(self.last[job_id]["state"]) in LEADS[verb]
        with self.moving(verb) as session:
            try:
                VERBS[verb](session, job_id, uuid.uuid4())
                assert allowed
            except Conflict:
                assert not allowed

    @rule(data=st.data())
    def worker_dies(self, data: st.DataObject) -> None:
        job_id = self.pick(data)
        if job_id is not None and self.last[job_id]["state"] == State.RUNNING:
            expire(self.database, job_id)
            self.last[job_id] = row(self.database, job_id)

    @rule()
    def rescue(self) -> None:
        with self.moving("rescue") as session:
            jobs.rescue(session)

    @rule(data=st.data())
    def backoff_passes(self, data: st.DataObject) -> None:
        job_id = self.pick(data)
        if job_id is not None and self.last[job_id]["state"] == State.QUEUED:
            change_job(self.database, job_id, available_at=LONG_AGO)
            self.last[job_id] = row(self.database, job_id)

    @invariant()
    def rows_are_sound(self) -> None:
        for now in self.last.values():
            assert (now["state"] in TERMINAL) == (now["finished_at"] is not None)
            assert (now["state"] == State.RUNNING) == (now["lease"] is not None)
            assert (now["state"] == State.FAILED) == (now["error_message"] is not None)
            assert 0 <= now["attempt"] <= now["max_attempts"]


def test_any_order_of_verbs_keeps_the_promises(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    try:
        run_state_machine_as_test(
            lambda: AnyOrder(database),
            settings=settings(
                max_examples=40,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        database.dispose()


# ---- pause and resume


def test_a_running_job_is_paused_by_its_worker_without_costing_an_attempt(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        assert jobs.pause(session, job_id).state == State.RUNNING
    with database.write() as session:
        told = jobs.heartbeat(session, job_id, lease, lease_seconds=LEASE_SECONDS, progress=None)
        assert told is not None
        assert told.pause_requested_at is not None
    with database.write() as session:
        released = jobs.release(session, job_id, lease)
        assert released is not None
        assert (released.state, released.attempt) == (State.PAUSED, 0)
    with database.write() as session:
        assert next_claim(session) is None
    with database.write() as session:
        again = jobs.resume(session, job_id)
        assert (again.state, again.pause_requested_at) == (State.QUEUED, None)
    claimed(database, job_id)


def test_a_job_resumed_before_its_worker_has_paused_it_runs_on(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        jobs.pause(session, job_id)
    with database.write() as session:
        assert jobs.resume(session, job_id).state == State.RUNNING
    with database.write() as session:
        released = jobs.release(session, job_id, lease)
        assert released is not None
        assert released.state == State.QUEUED


def test_a_job_that_was_to_be_paused_when_its_worker_was_lost_is_paused(database: Database) -> None:
    job_id = new_job(database)
    claimed(database, job_id)
    with database.write() as session:
        jobs.pause(session, job_id)
    expire(database, job_id)
    with database.write() as session:
        assert [job.state for job in jobs.rescue(session)] == [State.PAUSED]


def test_a_checkpoint_is_kept_by_who_holds_the_lease_only_and_until_a_retry(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        assert jobs.keep_checkpoint(session, job_id, uuid.uuid4(), "checkpoints/stale") is None
        assert jobs.keep_checkpoint(session, job_id, lease, "checkpoints/1") is not None
    with database.write() as session:
        jobs.release(session, job_id, lease)
    assert row(database, job_id)["checkpoint_key"] == "checkpoints/1"
    with database.write() as session:
        jobs.cancel(session, job_id)
        jobs.retry(session, job_id, 3)
    assert row(database, job_id)["checkpoint_key"] is None
