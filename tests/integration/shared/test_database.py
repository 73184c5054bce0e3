"""Transactions: who writes waits for the others, who only looks waits for nobody."""

import time

import pytest
import sqlalchemy as sa

from jobyard.shared import engines, jobs
from jobyard.shared.database import Database
from jobyard.shared.registrations import Worker, register
from tests.conftest import read_only
from tests.factories import submit
from tests.waiting import at_once

THREADS = 8
# Only to end a hang.
WAIT_SECONDS = 30


def names(connection: sa.Connection) -> list[str]:
    return list(connection.scalars(sa.select(Worker.name).order_by(Worker.name)))


def test_a_look_sees_what_others_commit_meanwhile_and_not_what_they_have_not(database: Database) -> None:
    with database.autocommit() as connection:
        assert names(connection) == []
        with database.write() as session:
            register(session, name="a", queue="cpu", process="p")
            session.flush()
            assert names(connection) == []
        assert names(connection) == ["a"]


def test_what_failed_is_rolled_back_and_the_next_one_writes(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            register(session, name="a", queue="cpu", process="p")
            session.flush()
            raise KeyError("no")

    with pytest.raises(KeyError):
        fail()
    with database.write() as session:
        register(session, name="b", queue="cpu", process="p")
    with database.autocommit() as connection:
        assert names(connection) == ["b"]


def test_threads_that_write_at_once_take_turns(database: Database) -> None:
    def write(number: int) -> None:
        for turn in range(10):
            with database.write() as session:
                register(session, name=f"{number}.{turn}", queue="cpu", process="p")

    at_once(THREADS, write)
    with database.autocommit() as connection:
        assert len(names(connection)) == THREADS * 10


def test_who_waits_too_long_for_a_turn_hears_of_a_database_that_is_away(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LOCK_SECONDS", 0.1)
    database, other = Database(sqlite_url), Database(sqlite_url)

    def write(into: Database) -> None:
        with into.write():
            pass

    with database.write():
        for waiting in (database, other):  # in this process' queue, and in SQLite's
            with pytest.raises(sa.exc.OperationalError):
                write(waiting)
    write(database)
    write(other)
    database.dispose()
    other.dispose()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_does_not_have_is_not_written(database: Database, value: float) -> None:
    """Clients get a spec or a result as it is in the database."""
    refused = pytest.raises((sa.exc.StatementError, ValueError), match="not JSON compliant")
    with refused, database.write() as session:
        submit(session, kind="train", spec={"x": value})
    with database.read() as session:
        assert jobs.page(session) == ([], None)


def one_more_job(database: Database) -> None:
    with database.write() as session:
        submit(session)


def test_a_read_only_server_is_away_and_its_connections_are_not_used_again(
    postgres: str, postgres_url: str
) -> None:
    database = Database(postgres_url)
    with read_only(postgres, postgres_url):
        for _ in range(3):
            with pytest.raises(sa.exc.OperationalError, match="read-only"):
                one_more_job(database)
        with database.read() as session:
            assert jobs.page(session) == ([], None)
    # What was opened meanwhile stays read-only, as a connection to a former primary does: the first write on
    # it finds that out, and drops all of them.
    with pytest.raises(sa.exc.OperationalError, match="read-only"):
        one_more_job(database)
    for _ in range(3):
        one_more_job(database)
    database.dispose()


def wait_in_a_transaction(database: Database) -> None:
    with database.write() as session:
        session.execute(sa.text("SET idle_in_transaction_session_timeout = 1"))
        time.sleep(0.2)
        submit(session)


def test_a_session_that_the_server_ends_is_away_and_not_a_fault(postgres_url: str) -> None:
    database = Database(postgres_url)
    with pytest.raises(sa.exc.OperationalError):
        wait_in_a_transaction(database)
    one_more_job(database)
    database.dispose()
