"""The oldest transaction that others hold open, as an operator sees it."""

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa

from jobyard.shared import open_transactions
from jobyard.shared.database import Database
from jobyard.shared.open_transactions import OpenTransaction, oldest_transaction
from jobyard.workers.runtime import sweeper
from tests.conftest import logged_in

if TYPE_CHECKING:
    from flask import Flask


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    opened = Database(postgres_url)
    yield opened
    opened.dispose()


@pytest.fixture
def backup(postgres_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session that holds a transaction open, as a backup does."""
    address = postgres_url.replace("+psycopg", "")
    with psycopg.connect(address, application_name="pg_<dump>", autocommit=True) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT 1")
        yield connection
        connection.execute("ROLLBACK")


def oldest(database: Database, role: str | None = None) -> OpenTransaction | None:
    with database.read() as session:
        if role is not None:
            session.execute(sa.text(f"SET LOCAL ROLE {role}"))
        return oldest_transaction(session)


def test_it_is_found_with_its_age_and_holder(
    database: Database, backup: psycopg.Connection[tuple[object, ...]]
) -> None:
    found = oldest(database)
    assert found is not None
    assert 0 <= found.seconds < open_transactions.LONG_SECONDS
    assert not found.is_long
    assert found.holder == f"process {backup.info.backend_pid} of postgres, pg_<dump>, idle in transaction"
    backup.execute("COMMIT")
    assert oldest(database) is None
    backup.execute("BEGIN")


def test_a_role_that_may_not_see_others_sees_none_and_one_that_may_does(
    database: Database, backup: psycopg.Connection[tuple[object, ...]]
) -> None:
    assert backup.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    assert oldest(database, "pg_signal_backend") is None
    assert oldest(database, "pg_read_all_stats") is not None


def test_on_sqlite_there_is_none(sqlite_url: str) -> None:
    assert oldest(Database(sqlite_url)) is None


@pytest.mark.usefixtures("backup")
def test_a_long_one_is_on_the_dashboard_and_in_the_sweepers_log(
    make_app: "Callable[..., Flask]",
    postgres_url: str,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = logged_in(make_app(database_url=postgres_url))
    sentence = "A transaction has been open on PostgreSQL"
    assert sentence not in client.get("/").text
    sweeper.warn_of_old_transaction(database)
    assert not caplog.messages
    monkeypatch.setattr(open_transactions, "LONG_SECONDS", 0.0)
    page = client.get("/").text
    assert sentence in page
    assert "pg_&lt;dump&gt;, idle in transaction" in page
    with caplog.at_level(logging.WARNING):
        sweeper.warn_of_old_transaction(database)
    (message,) = caplog.messages
    assert message.startswith("a transaction has been open on PostgreSQL for 0 min: process ")
