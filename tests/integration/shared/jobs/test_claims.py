"""Claims: each job once, in the order of its queue, by the clock of the database."""

import datetime
import uuid
from threading import Barrier

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import Claim, JobEvent, State
from tests.factories import LONG_AGO, change_job, claimed, new_job, states_of
from tests.integration.shared.jobs.verbs import (
    LEASE_SECONDS,
    THREADS,
    expire,
    in_state,
    lose,
    next_claim,
    row,
)
from tests.waiting import at_once


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
