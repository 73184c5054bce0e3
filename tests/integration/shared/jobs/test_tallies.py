"""Jobs that have not ended, by state, queue and kind: few are exact, many are as the sweeper counted."""

import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.jobs import EXACT_COUNTS, Job, JobTally, Tally
from jobyard.shared.kinds.base import Queue
from jobyard.workers.runtime.sweeper import tally
from tests.factories import claimed, new_job, new_jobs

QUEUES = [queue.value for queue in Queue]


def read(database: Database) -> list[Tally]:
    with database.read() as session:
        return jobs.read_tallies(session, QUEUES)


def test_few_are_exact_without_a_sweep(database: Database) -> None:
    new_jobs(database, EXACT_COUNTS - 1)
    new_jobs(database, 1, kind="import")
    new_jobs(database, 2, kind="train")
    claimed(database, new_job(database, kind="train"))
    expected = [
        Tally("queued", "cpu", "import", 1),
        Tally("queued", "cpu", "sentiment", EXACT_COUNTS - 1),
        Tally("queued", "gpu", "train", 2),
        Tally("running", "gpu", "train", 1),
    ]
    assert read(database) == expected
    tally(database)
    assert read(database) == expected
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(JobTally)) == 0


def test_ten_thousand_are_ten_thousand(database: Database) -> None:
    new_jobs(database, 9_000)
    new_jobs(database, 1_000, kind="import", priority=9)
    # Nobody has counted yet: there are at least so many.
    assert sum(one.jobs for one in read(database)) == EXACT_COUNTS + 1
    tally(database)
    expected = [Tally("queued", "cpu", "import", 1_000), Tally("queued", "cpu", "sentiment", 9_000)]
    assert read(database) == expected


def test_kinds_and_jobs_that_are_gone_are_counted_no_more(database: Database) -> None:
    new_jobs(database, EXACT_COUNTS + 100)
    imports = new_jobs(database, 20, kind="import")
    tally(database)
    with database.write() as session:
        session.execute(sa.delete(Job).where(Job.id.in_(imports)))
    tally(database)
    assert read(database) == [Tally("queued", "cpu", "sentiment", EXACT_COUNTS + 100)]
    with database.write() as session:
        some = sa.select(Job.id).limit(600).scalar_subquery()
        session.execute(sa.delete(Job).where(Job.id.in_(some)).execution_options(synchronize_session=False))
    assert read(database) == [Tally("queued", "cpu", "sentiment", EXACT_COUNTS - 500)]
