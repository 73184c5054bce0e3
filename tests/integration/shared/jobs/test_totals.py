"""What is counted over all jobs: each end exactly once, whoever counts and whenever it was committed."""

import datetime
import threading
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, retention
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import JobEvent, Sort, State, SweepMark
from jobyard.workers.runtime.sweeper import count_ended
from tests.factories import LONG_AGO, change, change_job, claimed, new_job, new_jobs

MINUTE = datetime.timedelta(minutes=1)


def now_of(database: Database) -> datetime.datetime:
    with database.read() as session:
        return session.scalars(sa.select(utcnow())).one()


def settled(database: Database) -> datetime.datetime:
    with database.write() as session:
        return jobs.settled_until(session)


def count(database: Database) -> None:
    """As a sweep does, of all that has ended by now."""
    count_ended(database, now_of(database))


def totals(database: Database) -> dict[Sort, tuple[int, float]]:
    with database.read() as session:
        return {one.sort: (one.jobs, round(one.seconds, 3)) for one in jobs.read_totals(session)}


def number(database: Database, what: str, **of: Any) -> int:
    """Of all sorts that are like this."""
    found = totals(database).items()
    return sum(
        n for sort, (n, _) in found if sort.what == what and all(getattr(sort, k) == v for k, v in of.items())
    )


def succeeded(database: Database, job_id: uuid.UUID) -> None:
    with database.write() as session:
        assert jobs.succeed(session, job_id, held(session, job_id), {})


def failed(database: Database, job_id: uuid.UUID) -> None:
    with database.write() as session:
        assert jobs.fail(session, job_id, held(session, job_id), error_type="E", message="why")


def held(session: Any, job_id: uuid.UUID) -> uuid.UUID:
    lease = jobs.get(session, job_id).lease
    assert lease is not None
    return lease


def test_an_end_is_counted_once_with_its_wait_and_its_run_time(database: Database) -> None:
    job_id = new_job(database)
    claimed(database, job_id)
    succeeded(database, job_id)
    never_ran = new_job(database, kind="train")
    with database.write() as session:
        jobs.cancel(session, never_ran)
    end = now_of(database)
    change_job(
        database, job_id, created_at=end - 10 * MINUTE, started_at=end - 2 * MINUTE, finished_at=end - MINUTE
    )
    change(database, SweepMark, SweepMark.name == jobs.COUNTED, at=end - 5 * MINUTE)
    change_job(database, never_ran, created_at=end - 3 * MINUTE, finished_at=end)
    expected = {
        Sort(jobs.ENDED, "cpu", "sentiment", "succeeded"): (1, 540.0),
        Sort(jobs.WAITED, "cpu", "sentiment", "", 900_000): (1, 480.0),
        Sort(jobs.RAN, "cpu", "sentiment", "", 60_000): (1, 60.0),
        Sort(jobs.ENDED, "gpu", "train", "cancelled"): (1, 180.0),
    }
    for _ in range(3):
        count(database)
        assert totals(database) == expected


def test_many_that_ended_at_the_same_moment_are_all_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs.totals, "AT_ONCE", 7)
    ids = new_jobs(database, 40)
    with database.write() as session:
        for job_id in ids:
            jobs.cancel(session, job_id)
    end = now_of(database)
    for index, job_id in enumerate(ids):
        change_job(database, job_id, finished_at=end + datetime.timedelta(seconds=index // 15))
    for _ in range(2):
        count_ended(database, end + MINUTE)
    assert number(database, jobs.ENDED) == 40


def test_of_two_sweepers_one_counts(database: Database) -> None:
    job_id = new_job(database)
    claimed(database, job_id)
    succeeded(database, job_id)
    until = now_of(database)
    with database.read() as one, database.read() as other:
        both = jobs.ended_until(one, until), jobs.ended_until(other, until)
    kept = []
    for ended in both:
        assert ended is not None
        with database.write() as session:
            kept.append(jobs.keep_ended(session, ended))
    assert kept == [True, False]
    assert number(database, jobs.ENDED) == 1


def test_an_end_that_is_committed_late_is_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its moment is before that of others, which have been counted meanwhile."""
    monkeypatch.setattr(jobs.totals, "LATE_SECONDS", 0.0)
    late, early = new_job(database), new_job(database)
    for job_id in (late, early):
        claimed(database, job_id)
    written, commit = threading.Event(), threading.Event()

    def end_late() -> None:
        with database.write() as session:
            assert jobs.succeed(session, late, held(session, late), {})
            written.set()
            commit.wait(60)

    thread = threading.Thread(target=end_late)
    thread.start()
    assert written.wait(60)
    if database.is_postgresql:  # SQLite has one writer: there nothing ends in between
        succeeded(database, early)
        count_ended(database, settled(database))
        assert number(database, jobs.ENDED) == 0
    commit.set()
    thread.join()
    if not database.is_postgresql:
        succeeded(database, early)
    count_ended(database, settled(database))
    # The clock of SQLite has milliseconds: what ended within this one waits for the next sweep.
    count(database)
    assert number(database, jobs.ENDED) == 2


def test_where_nobody_writes_nothing_is_waited_for(database: Database) -> None:
    """The last jobs of an evening are counted then, and not when the patience for others is over."""
    assert (now_of(database) - settled(database)).total_seconds() < jobs.totals.PATIENCE_SECONDS / 2


def test_an_open_transaction_is_not_waited_for_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs.totals, "PATIENCE_SECONDS", 0.0)
    with database.begin() as connection:
        connection.execute(sa.update(SweepMark).values(version=7))
        if database.is_postgresql:
            assert (now_of(database) - settled(database)).total_seconds() < 30


def test_a_job_that_is_retried_at_once_has_two_ends(database: Database) -> None:
    job_id = new_job(database)
    change_job(database, job_id, created_at=LONG_AGO)
    claimed(database, job_id)
    failed(database, job_id)
    change(database, JobEvent, JobEvent.job_id == job_id, at=LONG_AGO)
    with database.write() as session:
        jobs.retry(session, job_id, 3)
    claimed(database, job_id)
    succeeded(database, job_id)
    count(database)
    ended = {state: number(database, jobs.ENDED, state=state) for state in ("failed", "succeeded")}
    assert ended == {"failed": 1, "succeeded": 1}
    # The first time years passed from submit to start; the second time is counted from the retry.
    waits = {sort.bound_ms: n for sort, (n, _) in totals(database).items() if sort.what == jobs.WAITED}
    assert waits.pop(0) == 1
    assert sum(waits.values()) == 1
    runs = {sort.bound_ms: n for sort, (n, _) in totals(database).items() if sort.what == jobs.RAN}
    assert (runs.pop(0, 0), sum(runs.values())) == (0, 2)


def test_an_end_that_was_counted_is_not_counted_again_by_a_retry(database: Database) -> None:
    job_id = new_job(database)
    claimed(database, job_id)
    failed(database, job_id)
    count(database)
    with database.write() as session:
        jobs.retry(session, job_id, 3)
    count(database)
    assert number(database, jobs.ENDED) == 1


def test_a_job_that_is_deleted_at_once_was_counted(database: Database) -> None:
    job_id = new_job(database)
    claimed(database, job_id)
    failed(database, job_id)
    with database.write() as session:
        retention.delete_job(session, job_id)
    count(database)
    assert number(database, jobs.ENDED, state="failed") == 1


def test_a_retry_while_a_sweeper_counts_makes_that_begin_again(database: Database) -> None:
    job_id = new_job(database)
    claimed(database, job_id)
    failed(database, job_id)
    with database.read() as session:
        ended = jobs.ended_until(session, now_of(database))
    assert ended is not None
    with database.write() as session:
        jobs.retry(session, job_id, 3)
    with database.write() as session:
        assert not jobs.keep_ended(session, ended)
    count(database)
    assert number(database, jobs.ENDED) == 1


def test_lost_workers_and_postponed_attempts_are_counted(database: Database) -> None:
    lost, put_off = new_job(database), new_job(database, queue="gpu")
    claimed(database, lost)
    change_job(database, lost, lease_expires_at=LONG_AGO)
    with database.write() as session:
        assert [job.id for job in jobs.rescue(session)] == [lost]
        assert jobs.rescue(session) == []
    lease = claimed(database, put_off).lease
    with database.write() as session:
        assert jobs.postpone(session, put_off, lease, "the disk is full")
    assert totals(database) == {
        Sort(jobs.LEASE_EXPIRED, "cpu"): (1, 0.0),
        Sort(jobs.POSTPONED, "gpu"): (1, 0.0),
    }


def test_without_its_mark_counting_begins_now(database: Database) -> None:
    for _ in range(2):
        job_id = new_job(database)
        claimed(database, job_id)
        succeeded(database, job_id)
        with database.write() as session:
            session.execute(sa.delete(SweepMark))
        count(database)
    assert totals(database) == {}
    job_id = new_job(database)
    claimed(database, job_id)
    succeeded(database, job_id)
    count(database)
    assert number(database, jobs.ENDED, state=State.SUCCEEDED) == 1
