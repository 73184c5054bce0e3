"""The database goes away and comes back: outcomes wait for it, and the sweeper waits for the workers."""

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, storage
from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import WorkError
from jobyard.shared.jobs import Job, State
from jobyard.workers.runtime import patience
from jobyard.workers.runtime.attempt import Attempt, Finish
from jobyard.workers.runtime.context import Context
from jobyard.workers.runtime.sweeper import Sweeper
from tests import factories
from tests.factories import LONG_AGO, NO_BROKER, get_job, new_job, steps_of, storage_of
from tests.workers import attempt, stored_files

OUTAGE_SECONDS = 1.0
# Only to end a hang.
WAIT_SECONDS = 30


class Outage:
    """Takes a database away: PostgreSQL refuses and ends connections, SQLite lacks its main table."""

    def __init__(self, database: Database, maintenance_url: str | None) -> None:
        self._sqlite = database.engine if maintenance_url is None else None
        self._name = database.engine.url.database
        url = maintenance_url or "sqlite://"
        self._admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        self._away = False

    def begin(self) -> None:
        self._away = True
        if self._sqlite is not None:
            self._execute(self._sqlite, "ALTER TABLE jobs RENAME TO elsewhere")
            return
        self._execute(self._admin, f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        self._execute(
            self._admin,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name",
            name=self._name,
        )

    def end(self) -> None:
        if not self._away:
            return
        if self._sqlite is not None:
            self._execute(self._sqlite, "ALTER TABLE elsewhere RENAME TO jobs")
        else:
            self._execute(self._admin, f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")
        self._away = False

    def begin_for(self, seconds: float) -> threading.Timer:
        """Begin, and end in a thread."""
        self.begin()
        timer = threading.Timer(seconds, self.end)
        timer.start()
        return timer

    def dispose(self) -> None:
        self.end()
        self._admin.dispose()

    @staticmethod
    def _execute(engine: sa.Engine, statement: str, **values: Any) -> None:
        with engine.begin() as connection:
            connection.execute(sa.text(statement), values)


@pytest.fixture
def outage(request: pytest.FixtureRequest, database: Database) -> Iterator[Outage]:
    """Not yet begun; over at the test's end."""
    sqlite = database.engine.dialect.name == "sqlite"
    made = Outage(database, None if sqlite else request.getfixturevalue("postgres"))
    yield made
    made.dispose()


def finish_with_a_file(attempt: Attempt) -> Finish:
    path = attempt.scratch / "artifact"
    path.write_bytes(b"x")
    stored = attempt.store("scored", path)

    def finish(session: Any) -> dict[str, Any]:
        storage.add_file(session, stored, name="a.csv", media_type="text/csv", job_id=attempt.job_id)
        return {"count": 1}

    return finish


# ---- outcomes


def test_a_success_waits_until_the_database_is_back_and_is_written_once_with_all_that_is_its(
    context: Context, database: Database, outage: Outage
) -> None:
    job_id = new_job(database)
    timers = []

    def work(attempt: Attempt, _: Any) -> Finish:
        attempt.progress.metric("loss", 1, 0.5)
        timers.append(outage.begin_for(OUTAGE_SECONDS))
        attempt.progress.metric("loss", 2, 0.4)
        return finish_with_a_file(attempt)

    job = attempt(context, job_id, work)
    timers[0].join()
    assert job is not None
    assert (job.state, job.result, job.attempt) == ("succeeded", {"count": 1}, 1)
    assert get_job(database, job_id).state == State.SUCCEEDED
    assert steps_of(database, job_id) == [1, 2]
    with database.read() as session:
        (file,) = storage.artifacts(session, job_id)
        assert [event.state for event in jobs.events(session, job_id)] == ["queued", "running", "succeeded"]
    assert stored_files(context) == [file.storage_key]


@pytest.mark.parametrize("ending", ["failed", "cancelled", "queued"])
def test_every_other_outcome_waits_too(
    context: Context, database: Database, outage: Outage, ending: str
) -> None:
    job_id = new_job(database)
    stopping = threading.Event()
    timers = []

    def work(attempt: Attempt, _: Any) -> Finish:
        finish_with_a_file(attempt)
        if ending == "cancelled":
            with database.write() as session:
                jobs.cancel(session, job_id)
        try:
            ends = time.monotonic() + WAIT_SECONDS
            while ending == "cancelled" and time.monotonic() < ends:
                attempt.progress.check()
                time.sleep(0.01)
        finally:
            timers.append(outage.begin_for(OUTAGE_SECONDS))
        if ending == "queued":
            stopping.set()
        attempt.progress.check()
        raise WorkError("no")

    job = attempt(context, job_id, work, stopping)
    timers[0].join()
    assert job is not None
    assert job.state == get_job(database, job_id).state == ending
    assert job.error_message == ("no" if ending == "failed" else None)
    assert stored_files(context) == []


@pytest.mark.parametrize("why", ["patience", "stopping"])
@pytest.mark.parametrize("ending", ["well", "badly"])
def test_a_worker_gives_up_after_its_patience_or_soon_when_it_is_stopped_and_its_job_runs_again(
    context: Context,
    database: Database,
    outage: Outage,
    monkeypatch: pytest.MonkeyPatch,
    why: str,
    ending: str,
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS" if why == "patience" else "STOPPING_SECONDS", 0.5)
    job_id = new_job(database)
    stopping = threading.Event()

    def work(attempt: Attempt, _: Any) -> Finish:
        outage.begin()
        if why == "stopping":
            stopping.set()
        if ending == "badly":
            raise WorkError("no")
        return finish_with_a_file(attempt)

    start = time.monotonic()
    assert attempt(context, job_id, work, stopping) is None
    assert 0.5 < time.monotonic() - start < WAIT_SECONDS / 2
    outage.end()
    job = get_job(database, job_id)
    assert (job.state, job.attempt, job.error_message) == ("running", 1, None)
    with database.write() as session:
        session.execute(sa.update(Job).where(Job.id == job_id).values(lease_expires_at=LONG_AGO))
    with database.write() as session:
        assert [rescued.state for rescued in jobs.rescue(session)] == ["queued"]


def test_a_success_whose_worker_gave_up_is_not_a_failure_when_the_database_is_back_just_then(
    context: Context, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    job_id = new_job(database)
    tried = 0

    def work(attempt: Attempt, _: Any) -> Finish:
        def finish(session: Any) -> dict[str, Any]:
            nonlocal tried
            tried += 1
            # The connection breaks here, and never again.
            raise sa.exc.OperationalError(
                "INSERT", {}, Exception("server closed the connection unexpectedly")
            )

        return finish

    assert attempt(context, job_id, work) is None
    assert tried == 1
    assert get_job(database, job_id).state == State.RUNNING


def test_a_job_that_was_taken_away_before_the_database_came_back_is_not_written_over(
    context: Context, database: Database, outage: Outage
) -> None:
    job_id = new_job(database)
    timers = []

    def work(attempt: Attempt, _: Any) -> Finish:
        with database.write() as session:
            session.execute(
                sa.update(Job).where(Job.id == job_id).values(lease=uuid.uuid4(), worker="another")
            )
        timers.append(outage.begin_for(OUTAGE_SECONDS))
        attempt.progress.metric("loss", 1, 0.5)
        return finish_with_a_file(attempt)

    assert attempt(context, job_id, work) is None
    timers[0].join()
    kept = get_job(database, job_id)
    assert (kept.state, kept.worker, kept.result) == ("running", "another", None)
    assert steps_of(database, job_id) == []
    assert stored_files(context) == []


# ---- the sweeper

# Longer than it can take from the one sweep to the next, however busy the machine is.
LEASE_SECONDS = 600.0


@pytest.fixture
def sweeper(database: Database) -> Sweeper:
    broker = Broker(Settings(broker_url=NO_BROKER))
    return Sweeper(database, broker, storage_of(database), lease_seconds=LEASE_SECONDS, retention_days=0)


def test_after_an_outage_jobs_are_rescued_only_when_their_workers_had_a_lease_to_say_a_word(
    database: Database, outage: Outage, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, speaks = new_job(database), new_job(database)
    leases = {}
    for job_id in (silent, speaks):
        with database.write() as session:
            claimed = factories.claim(session, job_id)
            assert claimed is not None
            leases[job_id] = claimed.lease
            session.execute(
                sa.update(Job.__table__).where(Job.id == job_id).values(lease_expires_at=LONG_AGO)
            )
    outage.begin()
    with pytest.raises(sa.exc.SQLAlchemyError):
        sweeper.sweep()
    outage.end()
    sweeper.sweep()
    assert get_job(database, silent).state == State.RUNNING
    with database.write() as session:
        assert jobs.heartbeat(session, speaks, leases[speaks], lease_seconds=30, progress=None) is not None
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + LEASE_SECONDS)
    sweeper.sweep()
    assert get_job(database, silent).state == State.QUEUED
    assert get_job(database, speaks).state == State.RUNNING
    assert get_job(database, speaks).attempt == 1


def test_a_sweeper_that_begins_soon_after_the_databases_server_gives_the_workers_a_lease_too(
    database: Database,
) -> None:
    broker, store = Broker(Settings(broker_url=NO_BROKER)), storage_of(database)
    job_id = new_job(database)
    with database.write() as session:
        assert factories.claim(session, job_id) is not None
        session.execute(sa.update(Job.__table__).where(Job.id == job_id).values(lease_expires_at=LONG_AGO))
    # A lease so long that the server, which the tests have started, has not served it yet.
    Sweeper(database, broker, store, lease_seconds=10**6, retention_days=0).sweep()
    waits = database.engine.dialect.name == "postgresql"
    assert get_job(database, job_id).state == (State.RUNNING if waits else State.QUEUED)
    # And one that it has.
    Sweeper(database, broker, store, lease_seconds=0, retention_days=0).sweep()
    assert get_job(database, job_id).state == State.QUEUED
