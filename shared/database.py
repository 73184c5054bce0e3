"""Engine, sessions, the declarative Base, and the database's clock."""

import datetime
import math
import select
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.sql.functions import FunctionElement

from jobyard.shared.errors import ConfigError
from jobyard.shared.texts import from_json, to_json

T = TypeVar("T")

# A spec may hold NUL characters (in a text, say), which PostgreSQL's JSONB refuses and JSON keeps.
Json = sa.JSON()
# The same where a missing value is SQL's NULL and not JSON's.
NullableJson = sa.JSON(none_as_null=True)

# Errors of PostgreSQL that pass by themselves, by SQLSTATE or its class: connections, deadlocks, resources,
# locks, an operator, the system, a server that is read-only, and a session that was ended.
PASSING = ("08", "40001", "40P01", "53", "55P03", "57P", "58", "25006", "25P03")
# After a failover a connection may lead to a server that can't write any more.
ON_THE_WRONG_SERVER = ("25006", "57P")

# An option of connections on which each statement stands alone.
AUTOCOMMIT = "autocommit"
# The status of a libpq result: psycopg.pq's, which is imported with PostgreSQL only.
COMMAND_OK = 1

# Where a session has the name of the token whose request it serves; None of a worker's and the sweeper's.
ACTOR = "actor"

# How long a write to SQLite waits for the others.
LOCK_SECONDS = 20.0
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.0002, 0.005


class UtcDateTime(sa.types.TypeDecorator[datetime.datetime]):
    """A moment, always aware and in UTC; SQLite, which has no such type, keeps it without the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: sa.Dialect) -> Any:
        return None if value is None else value.astimezone(datetime.UTC)

    def process_result_value(
        self, value: datetime.datetime | None, dialect: sa.Dialect
    ) -> datetime.datetime | None:
        if value is None:
            return None
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        return aware.astimezone(datetime.UTC)


def by_dialect(
    result: sa.types.TypeEngine[T], *, postgresql: Callable[..., str], sqlite: Callable[..., str]
) -> Callable[..., FunctionElement[T]]:
    """An SQL function that each database writes in its own way, given the SQL of its arguments; `result` is
    the type of its value.
    """

    class Function(FunctionElement[Any]):
        type = result
        inherit_cache = True

    def write_with(write: Callable[..., str]) -> Callable[..., str]:
        return lambda element, compiler, **kw: write(
            *(compiler.process(one, **kw) for one in element.clauses)
        )

    compiles(Function, "postgresql")(write_with(postgresql))
    compiles(Function, "sqlite")(write_with(sqlite))
    return Function


_now_plus = by_dialect(
    UtcDateTime(),
    postgresql=lambda seconds: f"(clock_timestamp() + interval '1 second' * {seconds})",
    # Six digits after the point, as SQLAlchemy writes times, so that they compare as text.
    sqlite=lambda seconds: f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds')",
)


def utcnow(seconds: "float | sa.SQLColumnExpression[Any]" = 0) -> FunctionElement[datetime.datetime]:
    """Now by the database's clock, plus `seconds`: the clocks of workers don't matter."""
    return _now_plus(sa.literal(seconds, sa.Float) if isinstance(seconds, int | float) else seconds)


def serving_seconds(session: Session) -> float:
    """How long the database has been there for its clients; for ever where there is no server."""
    if session.get_bind().dialect.name != "postgresql":
        return math.inf
    age = sa.text("SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())")
    return float(session.scalar(age) or 0)


class Base(DeclarativeBase):
    """All tables; constraints have names, so that migrations can change them."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Database:
    """One engine and its sessions."""

    def __init__(self, url: str, actor: Callable[[], str | None] = lambda: None) -> None:
        """`actor` names the token whose request is being served, for the timelines of jobs."""
        self._actor = actor
        try:
            self.engine = _engine(url)
        except (ValueError, sa.exc.ArgumentError):
            raise ConfigError(
                "JOBYARD_DATABASE_URL: should be like postgresql://user@host:5432/name"
            ) from None
        self._sessions = sessionmaker(expire_on_commit=False)
        self._autocommit = _without_transactions(self.engine)
        self.writer = _one_writer(self.engine)

    @property
    def is_postgresql(self) -> bool:
        """Whether it is PostgreSQL, and not SQLite."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def autocommit(self) -> Iterator[sa.Connection]:
        """A connection without a transaction: each statement sees what is committed when it begins.

        For single reads, which a transaction would cost more than they do themselves.
        """
        with self._autocommit.connect() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that is rolled back at the end."""
        with self._sessions(bind=self.engine) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is committed at the end, or rolled back on an exception."""
        # The connection begins and commits: what a session does around that takes longer than most writes.
        info = {ACTOR: self._actor()}
        with self.begin() as connection, self._sessions(bind=connection, info=info) as session:
            yield session
            session.flush()

    @contextmanager
    def begin(self, *, single: bool = False) -> Iterator[sa.Connection]:
        """The same for those who need no session.

        `single`: what is written is one statement on PostgreSQL. It needs no transaction around it there,
        which would be two more round trips.
        """
        is_alone = single and self.is_postgresql
        try:
            with self.autocommit() if is_alone else self.writer.begin() as connection:
                yield connection
        except sa.exc.TimeoutError as error:
            # Callers that retry an unreachable database should not have to handle this timeout, too.
            raise sa.exc.OperationalError("BEGIN", None, error) from error

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        self.writer.dispose()


def _engine(url: str) -> sa.Engine:
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


@cache
def as_text(statement: sa.Select[Any] | sa.CompoundSelect[Any], dialect: sa.Dialect) -> sa.TextClause:
    """The statement, which is a constant, with its values written into it. To build a large one, or only to
    find it among those that were built, takes longer than it does.
    """
    return sa.text(str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})))


def insert_into(bind: sa.Engine | sa.Connection, table: Any) -> Any:
    """An INSERT that has ON CONFLICT, in the database's dialect."""
    insert = postgresql.insert if bind.dialect.name == "postgresql" else sqlite.insert
    return insert(table)


def is_full(error: BaseException) -> bool:
    """Whether the database says that its disk is full: SQLITE_FULL, or SQLSTATE 53100."""
    driver = getattr(error, "orig", None)
    code = getattr(driver, "sqlite_errorcode", 0) & 0xFF
    return code == sqlite3.SQLITE_FULL or getattr(driver, "sqlstate", None) == "53100"


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


def _without_transactions(engine: sa.Engine) -> sa.Engine:
    """The same connections, but each statement stands alone."""
    if engine.dialect.name == "sqlite":
        # Without listeners: a short statement takes a quarter less time on an engine that has none.
        return sa.create_engine(engine.url, pool=engine.pool)
    return engine.execution_options(**{AUTOCOMMIT: True})


def _one_writer(engine: sa.Engine) -> sa.Engine:
    """SQLite has one write lock. A process's threads wait for it here, in turns: SQLite itself would let
    each sleep for milliseconds and try again.
    """
    if engine.dialect.name == "sqlite":
        pool = {"pool_size": 1, "max_overflow": 0, "pool_timeout": LOCK_SECONDS}
        return _sqlite_engine(engine.url, _begin_to_write, **pool)
    return engine
