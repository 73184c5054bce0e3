"""A copy of the whole database as it was at one moment, while others write to it.

SQLite's own backup copies the file in one step, within one read. Of PostgreSQL each table is copied by COPY,
all in one transaction that sees one snapshot. As long as it is open PostgreSQL keeps outdated rows, so that
nothing else is done in it: bytes are copied after it.
"""

import hashlib
import sqlite3
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jobyard.shared.backups.manifest import SQLITE_FILE, DatabaseCopy, Sums, Table, digest_of
from jobyard.shared.backups.tables import Found, count, referred_keys, revision, tables
from jobyard.shared.database import Database
from jobyard.shared.errors import ConfigError

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


@dataclass(frozen=True)
class Snapshot:
    """What was copied, and what was read of it."""

    copy: DatabaseCopy
    # Of the storage.
    keys: set[str]
    database_id: uuid.UUID | None
    epoch: int | None


def take(database: Database, folder: Path, sums: Sums) -> Snapshot:
    """Copy the database into the folder of a backup. Raises ConfigError where it is damaged, or empty."""
    return _postgresql(database, folder, sums) if database.is_postgresql else _sqlite(database, folder, sums)


def _sqlite(database: Database, folder: Path, sums: Sums) -> Snapshot:
    target = folder / SQLITE_FILE
    path = database.engine.url.database
    try:
        with closing(sqlite3.connect(str(path))) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, and no second one beside it
    except sqlite3.Error as error:  # it is none, or the backup's disk is full
        raise ConfigError(f"the database {path} can't be copied to {target}: {error}") from None
    if found != "ok":
        raise ConfigError(f"the database {path} is damaged: {found}")
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(target)), poolclass=sa.NullPool)
    with engine.connect() as connection:
        found_tables = [
            Table(name=table.name, columns=list(table.columns), rows=count(connection, table.name))
            for table in tables(connection)
        ]
        snapshot = _snapshot(connection, found_tables, sqlite3.sqlite_version)
    sums.add(SQLITE_FILE, digest_of(target))
    return snapshot


def _postgresql(database: Database, folder: Path, sums: Sums) -> Snapshot:
    with database.engine.begin() as connection:
        connection.exec_driver_sql(SNAPSHOT)
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL datestyle = 'ISO'")
        copied = [_copy_table(connection, table, folder, sums) for table in tables(connection)]
        return _snapshot(connection, copied, str(connection.scalar(sa.text("SHOW server_version"))))


def _copy_table(connection: sa.Connection, found: Found, folder: Path, sums: Sums) -> Table:
    table = Table(name=found.name, columns=list(found.columns), rows=0)
    name, columns = found.quoted(connection)
    digest = hashlib.sha256()
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, (folder / table.file).open("wb") as file:
            with cursor.copy(f"COPY {name} ({columns}) TO STDOUT") as copy:
                for data in copy:
                    digest.update(data)
                    file.write(data)
            table.rows = cursor.rowcount
    except connection.dialect.loaded_dbapi.Error as error:  # as one who may not read it, or was cut off
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"the table {table.name} can't be copied: {reason}") from None
    sums.add(table.file, digest.hexdigest())
    return table


def _snapshot(connection: sa.Connection, copied: list[Table], version: str) -> Snapshot:
    found = revision(connection)
    if found is None:
        raise ConfigError("the database is empty: there is nothing to back up; `jobyard up` makes its tables")
    identity = _identity(connection) if any(table.name == "storage_identity" for table in copied) else None
    return Snapshot(
        copy=DatabaseCopy(
            dialect="postgresql" if connection.dialect.name == "postgresql" else "sqlite",
            server_version=version,
            revision=found,
            tables=copied,
        ),
        keys=referred_keys(connection),
        database_id=identity and identity[0],
        epoch=identity and identity[1],
    )


def _identity(connection: sa.Connection) -> tuple[uuid.UUID, int] | None:
    """Asked without the table's class: the database may be of an earlier version."""
    row = connection.execute(
        sa.select(sa.column("database_id", sa.Uuid), sa.column("epoch", sa.BigInteger)).select_from(
            sa.table("storage_identity")
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])
