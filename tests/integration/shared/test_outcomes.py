"""What ended lately, and what failed alike."""

import datetime
import uuid

import sqlalchemy as sa

from jobyard.shared import failures, jobs, outcomes
from jobyard.shared.database import Database, utcnow
from jobyard.shared.failures import Failures
from jobyard.shared.jobs import Job, State
from jobyard.shared.outcomes import BUCKET_SECONDS, Lately, OutcomeCount, Outcomes
from tests.factories import change_job, claimed, new_job


def end(database: Database, state: State, ago: float = 0.0, queue: str = "cpu") -> uuid.UUID:
    """A job that ended so many seconds ago."""
    job_id = new_job(database, queue=queue)
    change_job(
        database,
        job_id,
        state=state,
        finished_at=utcnow(-ago),
        error_message="why" if state == State.FAILED else None,
    )
    return job_id


def fail(
    database: Database, message: str, error_type: str = "WorkError", kind: str = "sentiment"
) -> uuid.UUID:
    one = claimed(database, new_job(database, kind=kind, queue="cpu"))
    with database.write() as session:
        jobs.fail(session, one.id, one.lease, error_type=error_type, message=message)
    return one.id


def count(database: Database) -> dict[str, Lately]:
    with database.read() as session:
        counted = outcomes.count(session)
    with database.write() as session:
        outcomes.keep(session, counted)
    with database.read() as session:
        return outcomes.lately(session)


def failed_alike(database: Database) -> list[Failures]:
    with database.read() as session:
        return failures.alike(session)


def test_what_ended_is_counted_by_queue_state_and_time(database: Database) -> None:
    assert count(database) == {}
    for state, ago in (
        (State.SUCCEEDED, 0),
        (State.SUCCEEDED, 20),
        (State.FAILED, 3_000),
        (State.CANCELLED, 7_200),
        (State.FAILED, 80_000),
        (State.FAILED, 90_000),
    ):
        end(database, state, ago)
    end(database, State.SUCCEEDED, queue="gpu")
    parent, child = new_job(database), end(database, State.SUCCEEDED)
    change_job(database, child, parent_id=parent)
    expected = {
        "cpu": Lately(Outcomes(2, 1, 0), Outcomes(2, 2, 1)),
        "gpu": Lately(Outcomes(1, 0, 0), Outcomes(1, 0, 0)),
    }
    assert count(database) == expected
    assert count(database) == expected  # counted again, it is as many
    assert expected["cpu"].day.failure_rate == 0.5
    assert (expected["gpu"].day.ended, Outcomes(cancelled=1).failure_rate) == (1, None)


def test_jobs_whose_commit_came_late_are_counted_and_closed_buckets_stay(database: Database) -> None:
    end(database, State.SUCCEEDED)
    before = count(database)["cpu"].day.succeeded
    end(database, State.SUCCEEDED, BUCKET_SECONDS)
    assert count(database)["cpu"].day.succeeded == before + 1
    end(database, State.SUCCEEDED, 5 * BUCKET_SECONDS)
    assert count(database)["cpu"].day.succeeded == before + 1
    with database.write() as session:
        session.execute(sa.update(OutcomeCount).values(bucket=OutcomeCount.bucket - 400))
    count(database)
    with database.read() as session:
        oldest = session.scalar(sa.select(sa.func.min(OutcomeCount.bucket)))
    now = int(datetime.datetime.now(datetime.UTC).timestamp()) // BUCKET_SECONDS
    assert oldest is not None
    assert oldest >= now - 24 * 3_600 // BUCKET_SECONDS - 1


def test_failures_are_alike_by_kind_type_and_message_but_for_numbers_and_ids(database: Database) -> None:
    first = fail(database, f"row 1,234 of {uuid.uuid4()} has 2.5")
    second = fail(database, f"row 7 of {uuid.uuid4()} has 11")
    fail(database, "row 7 of it has 11")
    fail(database, f"row 7 of {uuid.uuid4()} has 11", error_type="DiskFull")
    fail(database, f"row 7 of {uuid.uuid4()} has 11", kind="import")
    fail(database, f"row 7 of {uuid.uuid4()} has 11", kind=jobs.UNLISTED_KIND)
    old = fail(database, "row 1 of it has 2")
    change_job(database, old, finished_at=utcnow(-90_000))
    found = failed_alike(database)
    assert [len(one.ids) for one in found] == [2, 1, 1, 1]
    assert found[0].ids == [second, first]
    assert found[0].message.startswith("row 7 of")
    assert len({one.key for one in found}) == 4
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).where(Job.state == State.FAILED)) == 7
