"""A scored Parquet file as DuckDB sees it: in place, with nothing else that it may open.

Columns are identified by their positions, so that it doesn't matter how they are called: `c0`, `c1`, …, of
which the last five are ours, and `r`, the number of the row.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from jobyard.web.services.exports import Filter
from jobyard.web.services.text_columns import OURS, text_column

LOCKED_DOWN: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "memory_limit": "512MB",
    "temp_directory": "",
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "allow_community_extensions": False,
}


@contextlib.contextmanager
def opened(
    path: str, file_system: Any = None, scratch: Path | None = None, scratch_bytes: int = 0
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that may read this file, and write into `scratch`, if that is given: so many bytes at
    most of what doesn't fit into memory.
    """
    with duckdb.connect(":memory:", config=LOCKED_DOWN) as connection:
        if file_system is None:
            connection.execute(f"SET allowed_paths = [{quoted(path)}]")  # a setting takes no parameters
            if scratch is not None:
                folder = quoted(str(scratch))
                connection.execute(f"SET allowed_directories = [{folder}]")
                connection.execute(f"SET temp_directory = {folder}")
                connection.execute(f"SET max_temp_directory_size = '{max(scratch_bytes, 0)}B'")
                # Its time grows with the square of the columns: minutes for 2,000 that are escaped.
                connection.execute("SET disabled_optimizers = 'common_subexpressions'")
            connection.execute("SET enable_external_access = false")
        else:  # which DuckDB sees as external access, too
            connection.register_filesystem(file_system)
            connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET lock_configuration = true")
        yield connection


def quoted(text: str) -> str:
    """As a literal of SQL. It has no zero character."""
    return "'" + text.replace("'", "''") + "'"


class ScoredTable:
    """An open file: the names of its columns, and how they are selected."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: str, column: str) -> None:
        """The texts came from `column`. Raises duckdb.Error for a file that is not as we write them."""
        self.connection = connection
        self._path = path
        schema = connection.execute("SELECT name, num_children FROM parquet_schema(?)", [path]).fetchall()
        self.names: list[str] = []
        inner = 0
        for name, children in schema[1:]:  # after the root; fields of fields follow their own
            if inner:
                inner -= 1
            else:
                self.names.append(name)
            inner += children or 0
        self.columns = [f"c{place}" for place in range(len(self.names))]
        self._source = f"{self._numbered()} AS t({', '.join(self.columns)}, r)"
        self.types: list[Any] = [described[1] for described in self.select("*", "LIMIT 0").description][:-1]
        kinds = [str(kind) for kind in self.types]
        texts = text_column(column, self.names[: -len(OURS)], self.columns, kinds)
        if texts is None:
            raise duckdb.Error(f"there is no column {column[:50]!r}")
        self.texts = texts

    def _numbered(self) -> str:
        """All columns and the number of the row, which DuckDB gives unless a column is called like it."""
        if any(name.lower() == "file_row_number" for name in self.names):
            return "(SELECT *, row_number() OVER () - 1 FROM read_parquet(?, hive_partitioning=false))"
        return "read_parquet(?, file_row_number=true, hive_partitioning=false)"

    def where(self, kept: Filter) -> tuple[str, list[str]]:
        """A condition, and its parameters."""
        conditions, values = ["true"], list[str]()
        if kept.label is not None:
            conditions.append(f"{self.columns[-1]} = ?")
            values.append(kept.label)
        if kept.search:
            conditions.append(f"contains(lower({self.texts.sql}), lower(?))")
            values.append(kept.search)
        return " AND ".join(conditions), values

    def count(self, kept: Filter) -> int:
        """How many rows there are."""
        where, values = self.where(kept)
        found = self.select("count(*)", f"WHERE {where}", values).fetchone()
        return int(found[0]) if found else 0

    def row_bytes(self) -> int:
        """How large a row is, about, when it is not compressed."""
        found = self.connection.execute(
            "SELECT sum(total_uncompressed_size) // greatest(max(row_group_num_rows), 1)"
            " // greatest(count(DISTINCT row_group_id), 1) FROM parquet_metadata(?)",
            [self._path],
        ).fetchone()
        return int((found or (0,))[0] or 0)

    def metadata(self) -> dict[str, str]:
        """What the file's writers said of it, as far as it is text."""
        found = {}
        for key, value in self.connection.execute(
            "SELECT key, value FROM parquet_kv_metadata(?)", [self._path]
        ).fetchall():
            with contextlib.suppress(UnicodeDecodeError):
                if b"\0" not in key + value:
                    found[key.decode()] = value.decode()
        return found

    def select(
        self, what: str, rest: str = "", values: Sequence[Any] = (), *, before: str = ""
    ) -> duckdb.DuckDBPyConnection:
        """Execute `{before} SELECT {what} FROM the file {rest}`; `values` are the parameters of `rest`."""
        statement = f"{before} SELECT {what} FROM {self._source} {rest}"  # noqa: S608
        return self.connection.execute(statement, [self._path, *values])

    def copy(self, target: Path, options: str, what: str, rest: str, values: Sequence[Any]) -> None:
        """Write `SELECT {what} FROM the file {rest}` to a file; `values` are the parameters of `rest`."""
        selected = f"SELECT {what} FROM {self._source} {rest}"  # noqa: S608
        self.connection.execute(
            f"COPY ({selected}) TO {quoted(str(target))} ({options})", [self._path, *values]
        )
