"""Engines of PostgreSQL and SQLite: how connections are made, begin, are found closed, and fail."""

import select
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from jobyard.shared.texts import from_json, to_json

# Errors of PostgreSQL that pass by themselves, by SQLSTATE or its class: connections, deadlocks, resources,
# locks, an operator, the system, a server that is read-only, and a session that was ended.
PASSING = ("08", "40001", "40P01", "53", "55P03", "57P", "58", "25006", "25P03")
# After a failover a connection may lead to a server that can't write any more.
ON_THE_WRONG_SERVER = ("25006", "57P")

# An option of connections on which each statement stands alone.
AUTOCOMMIT = "autocommit"
# The status of a libpq result: psycopg.pq's, which is imported with PostgreSQL only.
COMMAND_OK = 1

# How long a write to SQLite waits for the others.
LOCK_SECONDS = 20.0
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.0002, 0.005


def engine_of(url: str) -> sa.Engine:
    """An engine of PostgreSQL or SQLite. Raises ValueError or ArgumentError for what is no URL."""
    if not url.startswith("sqlite"):
        engine = sa.create_engine(
            url,
            json_serializer=to_json,
            json_deserializer=from_json,
            # `_begin` begins, as on SQLite, and not the driver: to switch a connection to and fro between
            # reads without a transaction and all else takes as long as a short statement.
            isolation_level="AUTOCOMMIT",
            pool_size=10,
            max_overflow=30,
            connect_args={"connect_timeout": 5, "application_name": "jobyard"},
        )
        sa.event.listen(engine, "connect", _prepare_nothing_through_a_pooler)
        sa.event.listen(engine, "begin", _begin)
        sa.event.listen(engine, "checkout", _refuse_if_closed)
        sa.event.listen(engine, "handle_error", _understand, retval=True)
        return engine
    return _sqlite_engine(url, _begin, pool_size=10, max_overflow=30)


def _sqlite_engine(url: str | sa.URL, begin: Callable[[sa.Connection], None], **pool: Any) -> sa.Engine:
    connect_args = {"timeout": LOCK_SECONDS}
    engine = sa.create_engine(
        url, json_serializer=to_json, json_deserializer=from_json, connect_args=connect_args, **pool
    )

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; `begin` does
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    sa.event.listen(engine, "begin", begin)
    return engine


def _begin(connection: sa.Connection) -> None:
    if connection.get_execution_options().get(AUTOCOMMIT):
        return
    if connection.dialect.name == "postgresql":
        # SQLAlchemy and the driver would spend more time on it than the server does.
        driver: Any = connection.connection.dbapi_connection
        with suppress(connection.dialect.loaded_dbapi.Error):
            if driver.pgconn.exec_(b"BEGIN").status == COMMAND_OK:
                return
    # On PostgreSQL after an error only, which SQLAlchemy then meets and understands.
    connection.exec_driver_sql("BEGIN")


def _begin_to_write(connection: sa.Connection) -> None:
    """Take the write lock here and not at the first write: a transaction that began by reading could not get
    it once another one has written. Most writes of other processes take less than a millisecond, which is
    SQLite's own shortest wait.
    """
    driver: Any = connection.connection.dbapi_connection
    ends = time.monotonic() + LOCK_SECONDS
    pause = FIRST_PAUSE_SECONDS
    driver.execute("PRAGMA busy_timeout=0")  # once the lock is held, nothing has to wait
    while True:
        try:
            driver.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                raise sa.exc.OperationalError("BEGIN IMMEDIATE", None, error) from error
        time.sleep(pause)
        pause = min(1.5 * pause, LAST_PAUSE_SECONDS)


def _prepare_nothing_through_a_pooler(connection: Any, _record: Any) -> None:
    """A prepared statement belongs to the server's session, and a pooler such as PgBouncer may give each
    transaction another one. A pooler names itself where the server would name its process.
    """
    (pid,) = connection.execute("SELECT pg_backend_pid()").fetchone()
    connection.rollback()
    if pid != connection.info.backend_pid:
        connection.prepare_threshold = None


def _refuse_if_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Whether the server has closed the connection, which has not been noticed yet: the pool takes another.

    It is what a question before each transaction (`pool_pre_ping`) would find out, without its round trip.
    """
    unread = select.poll()
    unread.register(connection.fileno(), select.POLLIN)
    if unread.poll(0):
        raise sa.exc.DisconnectionError


def _understand(context: Any) -> Exception | None:
    """Make an OperationalError of what passes, whatever class the driver has for it: callers try again.

    A class alone doesn't tell: psycopg has an InternalError for a server that is read-only.
    """
    state = getattr(context.original_exception, "sqlstate", None) or ""
    if state.startswith(ON_THE_WRONG_SERVER):
        context.is_disconnect = True
    if not state.startswith(PASSING) or isinstance(context.sqlalchemy_exception, sa.exc.OperationalError):
        return None
    return sa.exc.OperationalError(
        context.statement,
        context.parameters,
        context.original_exception,
        connection_invalidated=context.is_disconnect,
    )


def without_transactions(engine: sa.Engine) -> sa.Engine:
    """The same connections, but each statement stands alone."""
    if engine.dialect.name == "sqlite":
        # Without listeners: a short statement takes a quarter less time on an engine that has none.
        return sa.create_engine(engine.url, pool=engine.pool)
    return engine.execution_options(**{AUTOCOMMIT: True})


def one_writer(engine: sa.Engine) -> sa.Engine:
    """SQLite has one write lock. A process's threads wait for it here, in turns: SQLite itself would let
    each sleep for milliseconds and try again.
    """
    if engine.dialect.name == "sqlite":
        pool = {"pool_size": 1, "max_overflow": 0, "pool_timeout": LOCK_SECONDS}
        return _sqlite_engine(engine.url, _begin_to_write, **pool)
    return engine
