"""Counts of jobs: exact up to a thousand, and beyond as they were last counted."""

import pytest
import sqlalchemy as sa
from kombu.exceptions import OperationalError

from jobyard.shared import jobs
from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.jobs import EXACT_COUNTS, Count, Job, JobCount, Progress, State
from jobyard.workers.runtime.sweeper import Sweeper
from tests.factories import LONG_AGO, NO_BROKER, change, change_job, claimed, new_job, new_jobs, storage_of


def counted(database: Database) -> tuple[Count, Count]:
    """Of the queued jobs that are no children, and of all in the queue `cpu`."""
    with database.read() as session:
        return jobs.count_by_state(session)[State.QUEUED], jobs.count_queued(session, "cpu")


def sweep(database: Database, broker: Broker) -> None:
    Sweeper(database, broker, storage_of(database), lease_seconds=0, retention_days=0).sweep()


def test_counts_are_exact_up_to_a_thousand(database: Database, broker: Broker) -> None:
    new_jobs(database, EXACT_COUNTS - 1)
    parent = new_job(database, queue="gpu")
    change_job(database, new_job(database), parent_id=parent)
    sweep(database, broker)
    assert counted(database) == (Count(EXACT_COUNTS), Count(EXACT_COUNTS))
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(JobCount)) == 0


def test_the_servers_own_jobs_are_in_no_count_of_states_and_wait_in_their_queue(database: Database) -> None:
    new_job(database)
    own = [new_job(database, kind=jobs.UNLISTED_KIND) for _ in range(3)]
    change_job(database, own[0], state=State.SUCCEEDED, finished_at=LONG_AGO)
    assert counted(database) == (Count(1), Count(3))
    with database.read() as session:
        assert jobs.count_by_state(session)[State.SUCCEEDED] == Count(0)
        assert [job.kind for job in jobs.page(session)[0]] == ["sentiment"]


def test_more_are_counted_by_the_sweeper_once_a_minute(database: Database, broker: Broker) -> None:
    new_jobs(database, 1_200)
    over = Count(EXACT_COUNTS + 1, is_exact=False, is_minimum=True)
    assert counted(database) == (over, over)
    sweep(database, broker)
    assert counted(database) == (Count(1_200, is_exact=False),) * 2
    new_jobs(database, 100)
    sweep(database, broker)
    assert counted(database) == (Count(1_200, is_exact=False),) * 2
    change(database, JobCount, JobCount.name == State.QUEUED, counted_at=LONG_AGO)
    sweep(database, broker)
    assert counted(database) == (Count(1_300, is_exact=False), Count(1_200, is_exact=False))


def test_they_are_counted_while_the_broker_is_away(database: Database) -> None:
    new_jobs(database, 1_200)
    change(database, Job, Job.id.is_not(None), available_at=LONG_AGO)
    with pytest.raises(OperationalError):
        sweep(database, Broker(Settings(broker_url=NO_BROKER)))
    assert counted(database) == (Count(1_200, is_exact=False),) * 2


def test_what_has_become_fewer_is_exact_again(database: Database, broker: Broker) -> None:
    new_jobs(database, 1_200)
    sweep(database, broker)
    with database.write() as session:
        some = sa.select(Job.id).limit(300).scalar_subquery()
        session.execute(sa.delete(Job).where(Job.id.in_(some)).execution_options(synchronize_session=False))
    assert counted(database) == (Count(900), Count(900))


def test_a_heartbeat_writes_to_no_index(database: Database) -> None:
    """On PostgreSQL such an update is heap-only (HOT)."""
    if database.engine.dialect.name != "postgresql":
        with database.read() as session:
            indexes = sa.inspect(session.connection()).get_indexes("jobs")
        changed = {"lease_expires_at", "progress_done", "progress_total", "phase", "eta_seconds", "version"}
        assert not [index["name"] for index in indexes if changed & set(index["column_names"])]
        return
    claims = [(job_id, claimed(database, job_id).lease) for job_id in new_jobs(database, 20)]

    def updates() -> tuple[int, int]:
        with database.write() as session:
            session.execute(sa.text("SELECT pg_stat_force_next_flush()"))
        with database.read() as session:
            asked = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'jobs'"
            all_updates, heap_only = session.execute(sa.text(asked)).one()
            return all_updates, heap_only

    before = updates()
    for number in range(1, 31):
        for job_id, lease in claims:
            with database.write() as session:
                progress = Progress("scoring", number, 30, "rows", 30.0 - number)
                assert jobs.heartbeat(session, job_id, lease, lease_seconds=30, progress=progress)
    after = updates()
    assert after[0] - before[0] == 600
    assert (after[1] - before[1]) / (after[0] - before[0]) >= 0.95
