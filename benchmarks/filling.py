"""Rows by the million, which a database makes of numbers by itself."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa

from jobyard.shared.database import Database

NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers "
    "WHERE n < :count) SELECT n FROM numbers",
    "postgresql": "SELECT n FROM generate_series(1, :count) AS n",
}
# UUIDs of version 7 in order, made before any that is submitted now.
IDS = {
    "sqlite": "printf('%012x', :first + n) || '7' || printf('%03x', n % 4096) || '8' || printf('%015x', n)",
    "postgresql": "(lpad(to_hex(:first + n), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || '8' "
    "|| lpad(to_hex(n), 15, '0'))::uuid",
}
MOMENTS = {
    "sqlite": "'2024-01-01 00:00:00.000000'",
    "postgresql": "'2024-01-01 00:00:00+00'::timestamptz",
}


class Filler:
    """Inserts rows; columns are SQL in which `n` counts from 1 to :count."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.dialect = connection.dialect.name
        self.id = IDS[self.dialect]
        self.moment = MOMENTS[self.dialect]

    def insert(
        self, table: str, count: int, columns: Mapping[str, str], *, where: str = "true", **given: object
    ) -> None:
        """A row for each number that meets `where`; `given` are values of the SQL's parameters."""
        names, values = ", ".join(columns), ", ".join(columns.values())
        statement = (
            f"INSERT INTO {table} ({names}) SELECT {values} "  # noqa: S608 - of the benchmarks
            f"FROM ({NUMBERS[self.dialect]}) AS all_of_them WHERE {where}"
        )
        self._connection.execute(sa.text(statement).bindparams(**given, count=count))

    def jobs(self, count: int, *, first: int, **columns: str) -> None:
        """Jobs that score a text, but for `columns`; `first` is the time of the first id in milliseconds."""
        usual = {
            "id": self.id,
            "kind": "'sentiment'",
            "queue": "'cpu'",
            "priority": "5",
            "spec": """'{"texts": ["good"]}'""",
            "max_attempts": "3",
            "version": "1",
            "created_at": self.moment,
            "queued_at": self.moment,
            "available_at": self.moment,
        }
        self.insert("jobs", count, usual | columns, first=first)


@contextmanager
def filling(url: str, *, vacuum: str = "") -> Iterator[Filler]:
    """In one transaction; then the database looks at what it has. PostgreSQL vacuums the table `vacuum`."""
    database = Database(url)
    with database.begin() as connection:
        yield Filler(connection)
    is_vacuumed = vacuum and database.is_postgresql
    with database.autocommit() as connection:
        connection.execute(sa.text(f"VACUUM (ANALYZE) {vacuum}" if is_vacuumed else "ANALYZE"))
    database.dispose()
