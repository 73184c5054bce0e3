"""Engine, sessions, the declarative Base, and the database's clock."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.sql.functions import FunctionElement

from shared.errors import ConfigError

# A spec may hold NUL characters (in a text, say), which PostgreSQL's JSONB refuses and JSON keeps.
Json = sa.JSON()
# The same where a missing value is SQL's NULL and not JSON's.
NullableJson = sa.JSON(none_as_null=True)


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


class utcnow(FunctionElement[datetime.datetime]):  # noqa: N801 - reads as the SQL function that it is
    """Now by the database's clock, plus `seconds`: the clocks of workers don't matter."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, seconds: "float | sa.SQLColumnExpression[Any]" = 0) -> None:
        super().__init__(sa.literal(seconds, sa.Float) if isinstance(seconds, int | float) else seconds)


@compiles(utcnow, "postgresql")
def _utcnow_postgresql(element: utcnow, compiler: Any, **kw: Any) -> str:
    return f"(clock_timestamp() + interval '1 second' * {compiler.process(element.clauses, **kw)})"


@compiles(utcnow, "sqlite")
def _utcnow_sqlite(element: utcnow, compiler: Any, **kw: Any) -> str:
    # Six digits after the point, as SQLAlchemy writes times, so that they compare as text.
    seconds = compiler.process(element.clauses, **kw)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds')"


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

    def __init__(self, url: str) -> None:
        try:
            self.engine = _engine(url)
        except (ValueError, sa.exc.ArgumentError):
            raise ConfigError(
                "JOBYARD_DATABASE_URL: should be like postgresql://user@host:5432/name"
            ) from None
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that is rolled back at the end."""
        with self._sessions() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is committed at the end, or rolled back on an exception."""
        with self._sessions() as session:
            # SQLite takes its one write lock here and not at the first write: a transaction that
            # began by reading could not get it once another one has written.
            session.connection(execution_options={"begin_immediate": True})
            yield session
            session.commit()

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _engine(url: str) -> sa.Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(
            url,
            pool_pre_ping=True,
            pool_size=10,
            max_overflow=30,
            connect_args={"connect_timeout": 5, "application_name": "jobyard"},
        )
    engine = sa.create_engine(url, pool_size=10, max_overflow=30, connect_args={"timeout": 20})

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; _begin does
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        immediate = connection.get_execution_options().get("begin_immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
