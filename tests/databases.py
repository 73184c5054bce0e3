"""Migrated databases of PostgreSQL, each for one test at a time: to make one takes longer than most tests."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg
import sqlalchemy as sa
from psycopg import sql

# OIDs of what PostgreSQL has not made itself begin here.
FIRST_OID = 16384
# What a test may have changed beside rows. To empty a table leaves all of this alone.
CATALOGS = {
    "pg_attrdef": "oid",
    "pg_attribute": "attrelid",
    "pg_constraint": "oid",
    "pg_extension": "oid",
    "pg_index": "indexrelid",
    "pg_namespace": "oid",
    "pg_proc": "oid",
    "pg_rewrite": "oid",
    "pg_trigger": "oid",
    "pg_type": "oid",
}
CATALOG = "SELECT count(*), max(xmin::text::bigint) FROM {} WHERE {} >= %s"
RELATIONS = "SELECT relname, relkind, reloptions FROM pg_class WHERE oid >= %s ORDER BY oid"
SETTINGS = """
SELECT setconfig FROM pg_db_role_setting
WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# Whatever was ever written to a table has left a page.
WRITTEN = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
"""
END_SESSIONS = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s"

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]


class Databases:
    """Copies of a template, which come back as they were: empty, or they are dropped.

    Each has a name of its own for each test, so that nothing that a process keeps by a database's address
    outlives the test, and nobody who still has the address finds it.
    """

    def __init__(self, server: str, template: str) -> None:
        self._address = server.replace("postgresql+psycopg://", "postgresql://")
        self._url = sa.make_url(server)
        self._template = template
        self._admin = psycopg.connect(self._address, autocommit=True)
        self._free: list[str] = []
        self._form: list[Any] = []
        self._rows: dict[str, list[str]] = {}

    def close(self) -> None:
        """Before the server ends."""
        self._admin.close()

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The address of a database that has what the template has."""
        name = self._free.pop() if self._free else self._made()
        yield self._url.set(database=name).render_as_string(hide_password=False)
        renamed = _new_name()
        self._admin.execute(END_SESSIONS, [name])
        try:
            self._admin.execute(_statement("ALTER DATABASE {} RENAME TO {}", name, renamed))
        except psycopg.errors.ObjectInUse:  # by a thread that goes on after its test
            self._drop(name)
            return
        if self._is_restored(renamed):
            self._free.append(renamed)
        else:
            self._drop(renamed)

    def _drop(self, name: str) -> None:
        self._admin.execute(_statement("DROP DATABASE {} WITH (FORCE)", name))

    def _made(self) -> str:
        name = _new_name()
        self._admin.execute(_statement("CREATE DATABASE {} TEMPLATE {}", name, self._template))
        if not self._form:
            with self._opened(name) as connection:
                self._form = _form(connection)
                found = {table: _rows(connection, table) for table in _written(connection)}
                self._rows = {table: rows for table, rows in found.items() if rows}
        return name

    def _is_restored(self, name: str) -> bool:
        with self._opened(name) as connection:
            if _form(connection) != self._form:
                return False
            changed = [
                table
                for table in _written(connection)
                if table not in self._rows or _rows(connection, table) != self._rows[table]
            ]
            if changed:
                names = sql.SQL(", ").join(map(sql.Identifier, changed))
                connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(names))
            for table, rows in self._rows.items():
                if _rows(connection, table) != rows:
                    insert = "INSERT INTO {0} SELECT (row_of::{0}).* FROM unnest(%s::text[]) AS row_of"
                    connection.execute(_statement(insert, table), [rows])
            connection.execute("DELETE FROM pg_statistic WHERE starelid >= %s", [FIRST_OID])
        return True

    @contextmanager
    def _opened(self, name: str) -> Iterator[Connection]:
        address = self._url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
        with psycopg.connect(address) as connection:
            yield connection


def _new_name() -> str:
    return f"test_{uuid.uuid4().hex}"


def _statement(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))  # type: ignore[arg-type]


def _form(connection: Connection) -> list[Any]:
    """Tables, columns, indexes and all else but rows: the same as long as nobody has changed any."""
    found = [connection.execute(_statement(CATALOG, *one), [FIRST_OID]) for one in CATALOGS.items()]
    found += [connection.execute(RELATIONS, [FIRST_OID]), connection.execute(SETTINGS)]
    return [rows.fetchall() for rows in found]


def _written(connection: Connection) -> list[str]:
    return [name for (name,) in connection.execute(WRITTEN)]


def _rows(connection: Connection, table: str) -> list[str]:
    found = connection.execute(_statement("SELECT each::text FROM {} AS each ORDER BY 1", table))
    return [row for (row,) in found]
