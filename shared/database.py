"""Sessions, the declarative Base, and the database's clock."""

import datetime
import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.sql.functions import FunctionElement

from jobyard.shared.engines import engine_of, one_writer, without_transactions
from jobyard.shared.errors import ConfigError

T = TypeVar("T")

# A spec may hold NUL characters (in a text, say), which PostgreSQL's JSONB refuses and JSON keeps.
Json = sa.JSON()
# The same where a missing value is SQL's NULL and not JSON's.
NullableJson = sa.JSON(none_as_null=True)

# Where a session has the name of the token whose request it serves; None of a worker's and the sweeper's.
ACTOR = "actor"


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
            self.engine = engine_of(url)
        except (ValueError, sa.exc.ArgumentError):
            raise ConfigError(
                "JOBYARD_DATABASE_URL: should be like postgresql://user@host:5432/name"
            ) from None
        self._sessions = sessionmaker(expire_on_commit=False)
        self._autocommit = without_transactions(self.engine)
        self.writer = one_writer(self.engine)

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
