"""Moving to another database: all rows, from SQLite to PostgreSQL or back. The storage stays where it is.

The old database is locked meanwhile and is not changed. Rows are read in batches and inserted in one
transaction, so that the new database has all of them or none. A sum over all rows of each table, as either
database gives them, says whether they are the same.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from jobyard.shared.backups import tables
from jobyard.shared.backups.sqlite_files import path_of, require_file, unused
from jobyard.shared.backups.taking_over import take_over
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import ConfigError, DiskFull, StorageFailed
from jobyard.shared.migrate import NEWEST, connection_for_migrations, migrate_on, newest_revision
from jobyard.shared.tables import metadata

BATCH_ROWS: Final = 5_000
SUM_BYTES: Final = 16
# Of PostgreSQL: readers may read on, and nobody writes.
LOCK_SECONDS: Final = 5


@dataclass(frozen=True)
class Moved:
    """Rows by table, and why the storage could not be told, if it couldn't."""

    rows: dict[str, int]
    storage_problem: str | None


@dataclass
class _Sum:
    """Of rows in any order."""

    rows: int = 0
    total: int = 0

    def add(self, rows: Sequence[Any]) -> None:
        for row in rows:
            digest = hashlib.blake2b(repr(tuple(row)).encode("utf-8", "surrogatepass"), digest_size=SUM_BYTES)
            self.total = (self.total + int.from_bytes(digest.digest())) % (1 << 8 * SUM_BYTES)
        self.rows += len(rows)


def move(settings: Settings, to: Settings, *, tell: Callable[[str, int], None] = lambda *_: None) -> Moved:
    """Copy all rows from the database of `settings` to the empty one of `to`, and check them.

    `tell` is called with each table and its rows. Raises ConfigError where one of them can't be used: where
    a process has it open, where the new one is not empty, or the old one is of another version; and
    SQLAlchemy's errors.
    """
    if to.database == settings.database:
        raise ConfigError("--to: should be another database than the one that JOBYARD_DATABASE_URL names")
    require_file(settings.database)
    with named_to():
        _require_unused_target(to)
    with _source(settings) as source, connection_for_migrations(to.database) as target:
        _require_newest(source)
        tables.require_empty(target)
        migrate_on(target, NEWEST)
        tables.clear(target)
        rows = {}
        for table in _metadata_tables():
            rows[table.name] = _copy(source, target, table)
            tell(table.name, rows[table.name])
        if target.dialect.name == "postgresql":
            tables.set_sequences(target)
    return Moved(rows, _tell_storage(to))


@contextmanager
def named_to() -> Iterator[None]:
    """What is wrong with the new address is not said of the setting that names the old one."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(error.message.replace("JOBYARD_DATABASE_URL:", "--to:")) from None


def _require_unused_target(to: Settings) -> None:
    if to.database.startswith("sqlite"):
        path = path_of(to.database)
        if path.is_file():
            with unused(path):
                pass
        return
    with connection_for_migrations(to.database) as connection:
        tables.require_stopped(connection)


@contextmanager
def _source(settings: Settings) -> Iterator[sa.Connection]:
    """A connection to the old database, to which nobody writes meanwhile."""
    if settings.database.startswith("sqlite"):
        with unused(path_of(settings.database)) as connection:
            yield connection
        return
    database = Database(settings.database)
    try:
        with database.engine.begin() as connection:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            tables.require_stopped(connection)
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            names = ", ".join(table.quoted(connection)[0] for table in tables.tables(connection))
            if names:
                connection.exec_driver_sql(f"LOCK TABLE {names} IN SHARE MODE")
            yield connection
    finally:
        database.dispose()


def _require_newest(source: sa.Connection) -> None:
    found, needed = tables.revision(source), newest_revision()
    if found != needed:
        raise ConfigError(
            f"the database is at revision {found or 'none'}, and this version moves {needed}: migrate "
            "it first, by `python -m jobyard.shared.migrate`, or move with the version that it is of"
        )


def _metadata_tables() -> list[sa.Table]:
    return list(metadata.sorted_tables)


def _copy(source: sa.Connection, target: sa.Connection, table: sa.Table) -> int:
    """Rows that were copied, and found again as they were."""
    given, found = _Sum(), _Sum()
    insert = _into_postgresql if target.dialect.name == "postgresql" else _into_sqlite
    with insert(target, table) as add:
        for rows in _batches(source, table):
            given.add(rows)
            add(rows)
    for rows in _batches(target, table):
        found.add(rows)
    if given != found:
        raise ConfigError(
            f"the table {table.name} has {found.rows:,} rows in the new database, of {given.rows:,}, or "
            "other values; nothing was moved"
        )
    return given.rows


def _batches(connection: sa.Connection, table: sa.Table) -> Iterator[Sequence[Any]]:
    """JSON as the text that it is, to the last blank; all else as Python's values."""
    columns = [
        sa.cast(column, sa.Text).label(column.name) if isinstance(column.type, sa.JSON) else column
        for column in table.columns
    ]
    with connection.execute(sa.select(*columns), execution_options={"yield_per": BATCH_ROWS}) as result:
        yield from result.partitions()


@contextmanager
def _into_sqlite(connection: sa.Connection, table: sa.Table) -> Iterator[Callable[[Sequence[Any]], None]]:
    columns = [
        sa.column(column.name, sa.Text() if isinstance(column.type, sa.JSON) else column.type)
        for column in table.columns
    ]
    insert = sa.insert(sa.table(table.name, *columns))

    def add(rows: Sequence[Any]) -> None:
        connection.execute(insert, [dict(row._mapping) for row in rows])

    yield add


@contextmanager
def _into_postgresql(connection: sa.Connection, table: sa.Table) -> Iterator[Callable[[Sequence[Any]], None]]:
    found = tables.Found(table.name, [column.name for column in table.columns])
    name, columns = found.quoted(connection)
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(f"COPY {name} ({columns}) FROM STDIN") as copy:

            def add(rows: Sequence[Any]) -> None:
                for row in rows:
                    copy.write_row(row)

            yield add
    except connection.dialect.loaded_dbapi.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"the table {table.name} can't be moved: {reason}; nothing was moved") from None


def _tell_storage(to: Settings) -> str | None:
    """Why that did not succeed: the first sweeper raises the epoch then. Rows of another storage stay so."""
    try:
        take_over(to)
    except (StorageFailed, DiskFull, ConfigError) as error:
        return error.message
    return None
