"""The sweeper puts back what was lost, and only that."""

import os
import signal
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from kombu.exceptions import OperationalError

from jobyard.shared import jobs, sweeper_actions
from jobyard.shared.broker import AWAY_SECONDS, MAX_MESSAGES, Broker
from jobyard.shared.database import Database
from jobyard.shared.jobs import attempts
from jobyard.workers.runtime import sweeper as module
from jobyard.workers.runtime.sweeper import Sweeper
from tests import factories
from tests.factories import LONG_AGO, NEVER, change_job, new_job, storage_of
from tests.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from tests.conftest import RedisProcess


@pytest.fixture
def sweeper(database: Database, broker: Broker) -> Sweeper:
    # With a lease it would leave the workers that long after the start of PostgreSQL, which may be just now.
    return Sweeper(database, broker, storage_of(database), lease_seconds=0, retention_days=0)


def submit(database: Database, *, old: bool = True, queue: str = "cpu") -> uuid.UUID:
    """A job that has been queued for long."""
    job_id = new_job(database, queue=queue)
    if old:
        change_job(database, job_id, available_at=LONG_AGO)
    return job_id


def lose_worker(database: Database, job_id: uuid.UUID) -> None:
    with database.write() as session:
        assert factories.claim(session, job_id) is not None
    change_job(database, job_id, lease_expires_at=LONG_AGO)


def state(database: Database, job_id: uuid.UUID) -> str:
    with database.read() as session:
        return jobs.get(session, job_id).state


def messages(redis_server: "RedisProcess", queue: str = "cpu") -> int:
    return len(redis_server.messages(queue))


# ---- lost workers


def test_a_job_of_a_lost_worker_is_rescued_and_its_queue_is_woken_when_its_backoff_is_over(
    database: Database,
    redis_server: "RedisProcess",
    sweeper: Sweeper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However slow the machine, it is not over before this test says so.
    monkeypatch.setattr(attempts, "BACKOFF_SECONDS", attempts.MAX_BACKOFF_SECONDS)
    job_id = submit(database)
    lose_worker(database, job_id)
    for _ in range(3):
        sweeper.sweep()
    assert state(database, job_id) == "queued"
    assert messages(redis_server) == 0  # its backoff is not over
    change_job(database, job_id, available_at=LONG_AGO)
    for _ in range(3):
        sweeper.sweep()
    assert messages(redis_server) == 1


def test_jobs_of_lost_workers_are_rescued_while_the_broker_is_away(
    database: Database, redis_server: "RedisProcess", sweeper: Sweeper
) -> None:
    waiting, lost = submit(database), submit(database)
    lose_worker(database, lost)
    redis_server.kill()
    for _ in range(2):
        with pytest.raises(OperationalError):
            sweeper.sweep()
    assert state(database, lost) == "queued"
    change_job(database, lost, available_at=NEVER)  # or it may be ready by now, and woken for too
    redis_server.restart()
    sweeper.sweep()
    assert messages(redis_server) == 1
    assert state(database, waiting) == "queued"


# ---- lost messages


@pytest.mark.parametrize(("count", "sent"), [(1, 1), (5, 5), (100, MAX_MESSAGES)])
def test_a_queue_whose_messages_are_gone_is_woken_once_however_many_jobs_wait(
    database: Database,
    redis_server: "RedisProcess",
    broker: Broker,
    sweeper: Sweeper,
    count: int,
    sent: int,
) -> None:
    for _ in range(count):
        submit(database)
    broker.wake("cpu", count)
    with redis_server.client() as client:
        client.flushall()
    sweeper.sweep()
    assert messages(redis_server) == sent
    for _ in range(5):
        sweeper.sweep()
    assert messages(redis_server) == sent


def test_each_queue_is_woken_for_itself(
    database: Database, redis_server: "RedisProcess", broker: Broker, sweeper: Sweeper
) -> None:
    for queue in ("cpu", "cpu", "gpu", "gpu", "gpu"):
        submit(database, queue=queue)
    broker.wake("cpu")
    sweeper.sweep()
    assert {queue: messages(redis_server, queue) for queue in ("cpu", "gpu", "predict")} == {
        "cpu": 1,
        "gpu": 3,
        "predict": 0,
    }


def test_a_job_whose_queue_could_not_be_woken_when_it_came_is_found(
    database: Database, redis_server: "RedisProcess", broker: Broker, sweeper: Sweeper
) -> None:
    redis_server.kill()
    submit(database, queue="gpu")
    assert broker.wake("gpu") is False
    redis_server.restart()
    time.sleep(AWAY_SECONDS)
    sweeper.sweep()
    assert messages(redis_server, "gpu") == 1


def test_a_broker_that_goes_away_between_two_questions_is_no_error(
    database: Database, broker: Broker, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(database)
    monkeypatch.setattr(broker, "wake", lambda *_: False)
    sweeper.sweep()


@pytest.mark.parametrize("waiting", [1, 3, MAX_MESSAGES])
def test_a_queue_that_has_a_message_is_left_alone(
    database: Database, redis_server: "RedisProcess", broker: Broker, sweeper: Sweeper, waiting: int
) -> None:
    """Whoever gets it goes on until no job is ready."""
    for _ in range(10):
        submit(database)
    broker.wake("cpu", waiting)
    for _ in range(5):
        sweeper.sweep()
    assert messages(redis_server) == waiting


def test_nobody_is_woken_for_jobs_that_are_young_waiting_paused_at_work_or_done(
    database: Database,
    redis_server: "RedisProcess",
    sweeper: Sweeper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 600.0)
    submit(database, old=False)
    backing_off, running, cancelled, paused, waiting, done = (submit(database) for _ in range(6))
    change_job(database, backing_off, available_at=NEVER)
    change_job(database, waiting, state="waiting")
    with database.write() as session:
        assert factories.claim(session, running) is not None
        claim = factories.claim(session, done)
        assert claim is not None
        assert jobs.succeed(session, done, claim.lease, {})
        jobs.cancel(session, cancelled)
        jobs.pause(session, paused)
    for _ in range(4):
        sweeper.sweep()
    assert messages(redis_server) == 0


def test_a_young_job_is_found_when_its_grace_is_over(
    database: Database, redis_server: "RedisProcess", sweeper: Sweeper
) -> None:
    start = time.monotonic()
    submit(database, old=False)

    def woken() -> bool:
        sweeper.sweep()
        return messages(redis_server) == 1

    wait_for(woken)
    assert time.monotonic() - start >= module.GRACE_SECONDS / 2


# ---- the process


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
    process = subprocess.Popen([sys.executable, "-m", "jobyard.workers", "sweeper"], env=environment)
    try:
        waiting, lost = submit(database), submit(database)
        lose_worker(database, lost)
        wait_for(lambda: state(database, lost) == "queued")
        change_job(database, lost, available_at=NEVER)  # or it may be ready by now, and woken for too
        redis_server.restart()
        wait_for(lambda: messages(redis_server) == 1)
        assert state(database, waiting) == "queued"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        database.dispose()


def test_what_it_did_is_written_down_once_it_counts(
    database: Database, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_worker(database, submit(database))
    sweeper.sweep()
    monkeypatch.setattr(module, "RECOUNT_SECONDS", 0.0)
    lose_worker(database, submit(database))
    sweeper._recount_from = 0.0
    sweeper.sweep()
    with database.read() as session:
        found = {one.name: (one.last, one.total) for one in sweeper_actions.actions(session)}
    assert found == {"rescued": (1, 2)}
