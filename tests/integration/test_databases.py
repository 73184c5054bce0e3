"""The databases of the tests: each test begins with one that is as if it were new."""

import contextlib
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from jobyard.shared import metrics
from jobyard.shared.database import Base, Database
from tests.databases import Databases
from tests.factories import new_job


@pytest.fixture
def databases(postgres: str, _postgres_template: str) -> Iterator[Databases]:
    """With none in it yet, so that the second test's is the first one's or a new one."""
    with contextlib.closing(Databases(postgres, _postgres_template)) as made:
        yield made


def rows_of(connection: sa.Connection, table: str) -> list[str]:
    return [str(row) for row in connection.execute(sa.select(sa.text("*")).select_from(sa.table(table)))]


def contents(url: str) -> dict[str, list[str]]:
    opened = Database(url)
    with opened.engine.connect() as connection:
        found = {name: rows_of(connection, name) for name in [*Base.metadata.tables, "alembic_version"]}
    opened.dispose()
    return found


def number_of(url: str) -> int:
    """Which database it is, whatever it is called."""
    opened = Database(url)
    with opened.read() as session:
        found: int = session.scalar(
            sa.text("SELECT oid::bigint FROM pg_database WHERE datname = current_database()")
        )
    opened.dispose()
    return found


def test_rows_that_a_test_left_or_took_away_are_as_before_in_the_next(databases: Databases) -> None:
    with databases.lent() as first:
        before, number = contents(first), number_of(first)
        used = Database(first)
        job_id = new_job(used)
        with used.write() as session:
            metrics.write(session, job_id, [metrics.Point("loss", 1, 0.5)])
            session.execute(sa.text("DELETE FROM alembic_version"))
            session.execute(sa.text("ANALYZE jobs"))
        open_transaction = used.engine.connect()
        open_transaction.execute(sa.text("LOCK TABLE jobs"))
        assert rows_of(open_transaction, "alembic_version") != before["alembic_version"]
    with databases.lent() as second:
        assert number_of(second) == number
        assert second != first
        assert contents(second) == before
    open_transaction.invalidate()
    open_transaction.close()
    used.dispose()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE jobs RENAME TO works",
        "ALTER TABLE jobs ALTER COLUMN kind DROP NOT NULL",
        "DROP INDEX ix_jobs_line",
        "CREATE INDEX one_more ON files (name)",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE jobs SET (fillfactor = 50)",
        "ALTER DATABASE {} SET work_mem = '1MB'",
    ],
)
def test_a_database_of_another_form_is_given_to_nobody(databases: Databases, change: str) -> None:
    with databases.lent() as first:
        before, number = contents(first), number_of(first)
        engine = sa.create_engine(first)
        with engine.begin() as connection:
            connection.execute(sa.text(change.format(engine.url.database)))
        engine.dispose()
    with databases.lent() as second:
        assert number_of(second) != number
        assert contents(second) == before
