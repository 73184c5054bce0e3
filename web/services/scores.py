"""Rows of a scored Parquet file: those with a label or some words in them, in order of row or of score.

DuckDB reads the file in place, and may open nothing else. Columns are identified by their positions, so
that it doesn't matter how they are called: `c0`, `c1`, …, of which the last five are ours, and `r`, the
number of the row.
"""

import contextlib
import logging
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import duckdb

from jobyard.shared.errors import BadInput, Conflict
from jobyard.web.services.budgets import PAGE_BYTES
from jobyard.web.services.text_columns import OURS, text_column

log = logging.getLogger(__name__)

Sort = Literal["row", "compound", "-compound"]
ORDERS = {"row": "r", "compound": "{0} ASC NULLS LAST, r", "-compound": "{0} DESC NULLS LAST, r"}

# Values of other types go out as DuckDB writes them.
JSON_TYPES = frozenset(
    (
        *("BOOLEAN", "FLOAT", "DOUBLE", "VARCHAR", "TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
        *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    )
)
LOCKED_DOWN: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "memory_limit": "512MB",
    "temp_directory": "",
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "allow_community_extensions": False,
}
# A page ends early if its rows are longer than this: they are held in memory.
MAX_CHARACTERS = PAGE_BYTES
# Others wait: a search through a large file takes both threads.
_readers = threading.BoundedSemaphore(2)


class Question(NamedTuple):
    """Which rows: with this label, with this in their text (whatever the case), after this cursor."""

    label: str | None = None
    search: str | None = None
    sort: Sort = "row"
    limit: int = 50
    cursor: str | None = None


class ScorePage(NamedTuple):
    """Each {"row" (from 0), "columns": {name: value}, "neg", "neu", "pos", "compound", "label"}; `next` is
    the cursor of those after them, `texts` the name that their column of texts has among the columns. Texts
    within a column are a column more, the first.
    """

    items: list[dict[str, Any]]
    next: str | None
    texts: str


def read(
    address: tuple[str, Any], column: str, question: Question, check: Callable[[], object] = lambda: None
) -> ScorePage:
    """Rows of the scored file at a `Storage.address`, whose texts came from `column`.

    Nulls come last in either order of the compound, equal ones in the file's order. There are fewer rows
    than asked for, and at least one, where they are very long. Raises BadInput for an invalid cursor,
    Conflict for a file that DuckDB can't read, unless `check` raises because it is
    the storage that can't be read.
    """
    after = _after(question)
    try:
        with _readers, _opened(*address) as connection:
            return _File(connection, address[0], column).read(question, after)
    except duckdb.Error as error:
        log.error("a scored file can't be read: %s", error)
        check()
        raise Conflict(
            "the rows of the scored file can't be read on the server; download the file instead"
        ) from None


@contextlib.contextmanager
def _opened(path: str, file_system: Any) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config=LOCKED_DOWN) as connection:
        if file_system is None:
            quoted = path.replace("'", "''")  # a setting takes no parameters
            connection.execute(f"SET allowed_paths = ['{quoted}']")
            connection.execute("SET enable_external_access = false")
        else:  # which DuckDB sees as external access, too
            connection.register_filesystem(file_system)
            connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET lock_configuration = true")
        yield connection


def _after(question: Question) -> tuple[float | None, int] | None:
    """Compound and row number in the cursor. Raises BadInput."""
    if question.cursor is None:
        return None
    compound, colon, row = question.cursor.rpartition(":")
    try:
        if bool(colon) != (question.sort != "row") or not (row.isascii() and row.isdecimal()):
            raise ValueError
        found = float(compound) if compound else None, int(row[:18])
        if found[0] is not None and not math.isfinite(found[0]):
            raise ValueError
    except ValueError:
        raise BadInput("cursor", "should be `next` of the previous page, in the same order") from None
    return found


class _File:
    """An open file: the names of its columns, and how they are selected."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: str, column: str) -> None:
        self._connection = connection
        self._path = path
        schema = connection.execute("SELECT name, num_children FROM parquet_schema(?)", [path]).fetchall()
        self._names: list[str] = []
        inner = 0
        for name, children in schema[1:]:  # after the root; fields of fields follow their own
            if inner:
                inner -= 1
            else:
                self._names.append(name)
            inner += children or 0
        self._columns = [f"c{place}" for place in range(len(self._names))]
        self._source = f"{self._numbered()} AS t({', '.join(self._columns)}, r)"
        self._types = [str(column[1]) for column in self._select("*", "LIMIT 0").description]
        texts = text_column(column, self._names[: -len(OURS)], self._columns, self._types)
        if texts is None:
            raise duckdb.Error(f"there is no column {column[:50]!r}")
        self._texts = texts
        self._compound, self._label = self._columns[-2:]

    def _numbered(self) -> str:
        """All columns and the number of the row, which DuckDB gives unless a column is called like it."""
        if any(name.lower() == "file_row_number" for name in self._names):
            return "(SELECT *, row_number() OVER () - 1 FROM read_parquet(?, hive_partitioning=false))"
        return "read_parquet(?, file_row_number=true, hive_partitioning=false)"

    def read(self, question: Question, after: tuple[float | None, int] | None) -> ScorePage:
        where, values = self._where(question, after)
        order = ORDERS[question.sort].format(self._compound)
        # First which rows, from few columns; then all of these few rows.
        keys = self._select(
            f"r, {self._compound}",
            f"WHERE {where} ORDER BY {order} LIMIT {question.limit + 1:d}",
            values,
        ).fetchall()
        items = self._items([row for row, _ in keys[: question.limit]])
        if len(items) == len(keys):
            return ScorePage(items, None, self._texts.name)
        row, compound = keys[len(items) - 1]
        of_compound = "" if question.sort == "row" else f"{'' if compound is None else repr(compound)}:"
        return ScorePage(items, f"{of_compound}{row}", self._texts.name)

    def _where(
        self, question: Question, after: tuple[float | None, int] | None
    ) -> tuple[str, list[str | float]]:
        conditions, values = ["true"], list[str | float]()
        if question.label is not None:
            conditions.append(f"{self._label} = ?")
            values.append(question.label)
        if question.search:
            conditions.append(f"contains(lower({self._texts.sql}), lower(?))")
            values.append(question.search)
        if after is not None:
            compound, row = after
            if question.sort == "row":
                conditions.append("r > ?")
                values.append(row)
            elif compound is None:
                conditions.append(f"{self._compound} IS NULL AND r > ?")
                values.append(row)
            else:
                beyond = ">" if question.sort == "compound" else "<"
                conditions.append(
                    f"({self._compound} {beyond} ? OR {self._compound} IS NULL"
                    f" OR ({self._compound} = ? AND r > ?))"
                )
                values += [compound, compound, row]
        return " AND ".join(conditions), values

    def _items(self, numbers: list[int]) -> list[dict[str, Any]]:
        """As many of these rows, from the first on, as MAX_CHARACTERS hold."""
        if not numbers:
            return []
        selected = [
            name if kind in JSON_TYPES else f"CAST({name} AS VARCHAR)"
            for name, kind in zip(self._columns, self._types, strict=False)
        ]
        if self._texts.place is None:
            selected.insert(0, self._texts.sql)
        else:
            selected[self._texts.place] = self._texts.sql
        shown = ", ".join(selected)
        places = {number: place for place, number in enumerate(numbers)}
        found: dict[int, tuple[Any, ...]] = {}
        size, end = 0, len(numbers)
        rows = self._select(f"r, {shown}", f"WHERE r IN ({', '.join(map(str, numbers))})")
        while row := rows.fetchone():
            place = places[row[0]]
            if place >= end:
                continue
            found[place] = row
            size += _characters(row)
            while size > MAX_CHARACTERS and end > 1:
                end -= 1
                size -= _characters(found.pop(end, ()))
        return [self._item(*found[place]) for place in range(end)]

    def _item(self, row: int, *values: Any) -> dict[str, Any]:
        names = self._names if self._texts.place is not None else [self._texts.name, *self._names]
        pairs = list(zip(names, values, strict=True))
        return {"row": row, "columns": dict(pairs[: -len(OURS)])} | dict(pairs[-len(OURS) :])

    def _select(
        self, what: str, rest: str, values: list[str | float] | None = None
    ) -> duckdb.DuckDBPyConnection:
        statement = f"SELECT {what} FROM {self._source} {rest}"  # noqa: S608
        return self._connection.execute(statement, [self._path, *(values or [])])


def _characters(row: tuple[Any, ...]) -> int:
    return sum(len(value) for value in row if isinstance(value, str))
