"""The sweeper puts back what was lost, and only that."""

import datetime
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from kombu.exceptions import OperationalError

from shared import jobs
from shared.broker import Broker
from shared.config import Settings
from shared.database import Database, utcnow
from shared.jobs import Job
from shared.storage import Storage
from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from conftest import RedisProcess

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def broker(redis_server: "RedisProcess") -> Iterator[Broker]:
    made = Broker(Settings(broker_url=redis_server.url))
    yield made
    made.app.pool.force_close_all()


@pytest.fixture
def sweeper(database: Database, broker: Broker) -> Sweeper:
    return Sweeper(database, broker, Storage("memory://"), lease_seconds=1, retention_days=0)


def change(database: Database, job_id: uuid.UUID, **values: Any) -> None:
    with database.write() as session:
        session.execute(sa.update(Job.__table__).where(Job.id == job_id).values(**values))


def submit(database: Database, broker: Broker | None, *, old: bool = True) -> uuid.UUID:
    """A job that has been queued for long; sent, if there is a broker."""
    with database.write() as session:
        job, _ = jobs.submit(session, kind="sentiment", queue="cpu", spec={}, priority=5, max_attempts=3)
    if old:
        change(database, job.id, available_at=LONG_AGO)
    if broker is not None:
        assert broker.send(job)
    return job.id


def lose_worker(database: Database, job_id: uuid.UUID) -> None:
    with database.write() as session:
        assert jobs.claim(session, job_id, worker="w", lease_seconds=30) is not None
    change(database, job_id, lease_expires_at=LONG_AGO)


def state(database: Database, job_id: uuid.UUID) -> str:
    with database.read() as session:
        return jobs.get(session, job_id).state


def sent(redis_server: "RedisProcess") -> list[str]:
    return sorted(message["id"] for message in redis_server.messages("cpu"))


def test_a_job_of_a_lost_worker_is_rescued_and_sent_when_its_backoff_is_over(
    database: Database, redis_server: "RedisProcess", sweeper: Sweeper
) -> None:
    job_id = submit(database, None)
    lose_worker(database, job_id)
    for _ in range(3):
        sweeper.sweep()
    assert state(database, job_id) == "queued"
    assert sent(redis_server) == []  # its backoff is not over
    change(database, job_id, available_at=LONG_AGO)
    for _ in range(2):
        sweeper.sweep()
    assert sent(redis_server) == [str(job_id)]


def test_messages_that_are_gone_are_sent_again_after_two_looks_and_then_no_more(
    database: Database, redis_server: "RedisProcess", broker: Broker, sweeper: Sweeper
) -> None:
    job_ids = sorted(str(submit(database, broker)) for _ in range(5))
    with redis_server.client() as client:
        client.flushall()
    sweeper.sweep()
    assert sent(redis_server) == []
    sweeper.sweep()
    assert sent(redis_server) == job_ids
    for _ in range(5):
        sweeper.sweep()
    assert sent(redis_server) == job_ids


def test_one_lost_message_of_many_is_made_good(
    database: Database, redis_server: "RedisProcess", broker: Broker, sweeper: Sweeper
) -> None:
    lost = str(submit(database, None))
    others = [str(submit(database, broker)) for _ in range(4)]
    assert sent(redis_server) == sorted(others)
    for _ in range(2):
        sweeper.sweep()
    after = sent(redis_server)
    assert lost in after
    for _ in range(5):
        sweeper.sweep()
    assert sent(redis_server) == after


def test_a_job_that_could_not_be_sent_when_it_came_is_sent_later(
    database: Database, redis_server: "RedisProcess", broker: Broker, sweeper: Sweeper
) -> None:
    redis_server.kill()
    with database.write() as session:
        job, _ = jobs.submit(session, kind="train", queue="gpu", spec={}, priority=5, max_attempts=3)
    assert broker.send(job) is False
    redis_server.restart()
    change(database, job.id, available_at=LONG_AGO)
    for _ in range(2):
        sweeper.sweep()
    assert [message["id"] for message in redis_server.messages("gpu")] == [str(job.id)]


def test_nothing_is_sent_while_every_waiting_job_has_its_message(
    database: Database, redis_server: "RedisProcess", broker: Broker, sweeper: Sweeper
) -> None:
    job_ids = sorted(str(submit(database, broker)) for _ in range(3))
    for _ in range(5):
        sweeper.sweep()
    assert sent(redis_server) == job_ids


def test_nothing_is_sent_for_jobs_that_are_new_waiting_at_work_or_done(
    database: Database, redis_server: "RedisProcess", sweeper: Sweeper
) -> None:
    submit(database, None, old=False)
    backing_off = submit(database, None)
    change(database, backing_off, available_at=datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC))
    running, cancelled = submit(database, None), submit(database, None)
    with database.write() as session:
        jobs.claim(session, running, worker="w", lease_seconds=30)
        jobs.cancel(session, cancelled)
    for _ in range(4):
        sweeper.sweep()
    assert sent(redis_server) == []


def test_jobs_of_lost_workers_are_rescued_while_the_broker_is_away(
    database: Database, redis_server: "RedisProcess", broker: Broker, sweeper: Sweeper
) -> None:
    waiting, lost = submit(database, None), submit(database, None)
    lose_worker(database, lost)
    redis_server.kill()
    with pytest.raises(OperationalError):
        sweeper.sweep()
    assert state(database, lost) == "queued"
    redis_server.restart()
    for _ in range(2):
        sweeper.sweep()
    assert sent(redis_server) == [str(waiting)]


def test_the_sweepers_process_survives_an_outage_rescues_and_ends_at_sigterm(
    sqlite_url: str, redis_server: "RedisProcess", tmp_path: Any
) -> None:
    environment = os.environ | {
        "JOBYARD_HOME": str(tmp_path / "home"),
        "JOBYARD_DATABASE_URL": sqlite_url,
        "JOBYARD_BROKER_URL": redis_server.url,
    }
    database = Database(sqlite_url)
    redis_server.kill()
    process = subprocess.Popen([sys.executable, "-m", "workers", "sweeper"], env=environment)
    try:
        waiting, lost = submit(database, None), submit(database, None)
        lose_worker(database, lost)
        wait_for(lambda: state(database, lost) == "queued")
        redis_server.restart()
        wait_for(lambda: str(waiting) in sent(redis_server))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        database.dispose()


def wait_for(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_lost_message_is_made_good_though_newer_messages_hide_that_it_is_gone(
    database: Database, redis_server: "RedisProcess", broker: Broker, sweeper: Sweeper
) -> None:
    lost = submit(database, None)
    change(database, lost, available_at=utcnow(-60))
    newer = [submit(database, broker, old=False) for _ in range(3)]
    sweeper.sweep()
    assert str(lost) not in sent(redis_server), "nothing shows yet that it is gone"
    with database.write() as session:
        assert jobs.claim(session, newer[0], worker="w", lease_seconds=30) is not None
    sweeper.sweep()
    assert sent(redis_server).count(str(lost)) == 1
    sweeper.sweep()
    assert sent(redis_server).count(str(lost)) == 1, "once, and not at every sweep"


def test_a_job_of_lower_priority_was_not_overtaken(
    database: Database, redis_server: "RedisProcess", broker: Broker, sweeper: Sweeper
) -> None:
    low = submit(database, broker)
    change(database, low, priority=1, available_at=utcnow(-60))
    urgent = submit(database, broker, old=False)
    with database.write() as session:
        assert jobs.claim(session, urgent, worker="w", lease_seconds=30) is not None
    sweeper.sweep()
    assert sent(redis_server).count(str(low)) == 1
