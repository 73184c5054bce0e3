"""The tables of a database as they are there, whichever revision it has."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from jobyard.shared.errors import ConfigError
from jobyard.shared.storage.known import REFERENCES

REVISIONS = "alembic_version"
# A database in which these have no rows holds nothing that anybody would miss.
OF_USERS = (
    "jobs",
    "files",
    "datasets",
    "models",
    "model_evaluations",
    "predictions",
    "tokens",
    "webhooks",
)
# Of this server's sessions: those of Jobyard's processes, without this one's own.
OTHERS = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'jobyard' AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True)
class Found:
    """A table and its columns."""

    name: str
    columns: Sequence[str]

    def quoted(self, connection: sa.Connection) -> tuple[str, str]:
        """The table's and the columns' names as SQL has them."""
        quote = connection.dialect.identifier_preparer.quote
        return quote(self.name), ", ".join(map(quote, self.columns))


def tables(connection: sa.Connection) -> list[Found]:
    """All but Alembic's own, in an order in which none refers to a later one."""
    inspector = sa.inspect(connection)
    names = [name for name, _ in inspector.get_sorted_table_and_fkc_names() if name and name != REVISIONS]
    columns = inspector.get_multi_columns()
    by_name = {name: [column["name"] for column in theirs] for (_, name), theirs in columns.items()}
    return [Found(name, by_name[name]) for name in names]


def count(connection: sa.Connection, table: str) -> int:
    """Its rows."""
    return connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table))) or 0


def revision(connection: sa.Connection) -> str | None:
    """Where the database is; None: nothing is in it yet. Raises ConfigError for one that is not Jobyard's."""
    names = set(sa.inspect(connection).get_table_names())
    if REVISIONS in names:
        found = connection.scalar(sa.text(f"SELECT version_num FROM {REVISIONS}"))  # noqa: S608 - no input
        return None if found is None else str(found)
    if names:
        raise ConfigError(
            f"the database has the table {min(names)!r}, and is not Jobyard's; take an empty one"
        )
    return None


def require_empty(connection: sa.Connection) -> None:
    """Raises ConfigError where the database holds jobs, files, data sets, models, tokens or webhooks."""
    if revision(connection) is None:
        return
    there = set(sa.inspect(connection).get_table_names())
    for name in OF_USERS:
        if name in there and connection.scalar(sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1)):
            raise ConfigError(
                f"the database is not empty: it has {name.replace('_', ' ')}; take an empty one "
                "(nothing was changed)"
            )


def require_stopped(connection: sa.Connection) -> None:
    """Raises ConfigError where processes of Jobyard are connected to this database of PostgreSQL."""
    others = connection.scalar(OTHERS) or 0
    if others:
        raise ConfigError(
            f"Jobyard has {others} connections to the database: stop web, the workers and the sweeper first"
        )


def clear(connection: sa.Connection) -> None:
    """Delete the rows that migrations insert into new tables."""
    for table in reversed(tables(connection)):
        connection.execute(sa.delete(sa.table(table.name)))


def set_sequences(connection: sa.Connection) -> None:
    """Let PostgreSQL number the next rows after those that are there."""
    for table in tables(connection):
        for column in table.columns:
            name, quoted = Found(table.name, [column]).quoted(connection)
            sequence = connection.scalar(
                sa.select(sa.func.pg_get_serial_sequence(name, column))  # takes a quoted table
            )
            if sequence is not None:
                highest = f"(SELECT max({quoted}) FROM {name})"  # noqa: S608 - names of columns
                connection.execute(
                    sa.text(f"SELECT setval(:sequence, coalesce({highest}, 1), {highest} IS NOT NULL)"),
                    {"sequence": sequence},
                )


def referred_keys(connection: sa.Connection) -> set[str]:
    """The storage's keys that rows refer to."""
    there = {(table.name, column) for table in tables(connection) for column in table.columns}
    found: set[str] = set()
    for table, name in REFERENCES:
        if (table, name) in there:
            column: sa.ColumnClause[str] = sa.column(name, sa.String)
            query = sa.select(column).select_from(sa.table(table, column)).where(column > "")
            with connection.execute(query, execution_options={"yield_per": 10_000}) as result:
                found.update(result.scalars())
    return found
