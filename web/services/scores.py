"""Rows of a scored Parquet file, page by page: those with a label or some words in them, in any order."""

import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import duckdb

from jobyard.shared.errors import BadInput, Busy, Conflict
from jobyard.web.services.budgets import PAGE_BYTES
from jobyard.web.services.cells import JSON_TYPES
from jobyard.web.services.exports import BY_ROW, Filter
from jobyard.web.services.row_orders import Order, beyond, order_of, sort_of
from jobyard.web.services.scored_table import ScoredTable, opened
from jobyard.web.services.text_columns import OURS

log = logging.getLogger(__name__)

# A page ends early if its rows are longer than this: they are held in memory.
MAX_CHARACTERS = PAGE_BYTES
# Others wait: a search through a large file takes both threads. Each holds a thread of the server meanwhile.
READERS: Final = 2
PATIENCE_SECONDS = 30.0
_readers = threading.BoundedSemaphore(READERS)
CURSOR: Final = re.compile(r"(-?)([0-9]{1,18})")


class Question(NamedTuple):
    """Which page: of the rows that have this label and this in their text, in this order, after the row
    that the cursor names or, with `-` before it, before it. How many there are is only found out if they
    `counted` are; `rows`, how many the file has, spares most of it where no row is left out.
    """

    label: str | None = None
    search: str | None = None
    sort: str = BY_ROW
    limit: int = 50
    cursor: str | None = None
    counted: bool = False
    rows: int | None = None

    @property
    def filter(self) -> Filter:
        return Filter(self.label, self.search)


class Column(NamedTuple):
    """What it is called in the file, and in `sort`."""

    name: str
    sort: str


class ScorePage(NamedTuple):
    """Each {"row" (from 0), "columns": {name: value}, "neg", "neu", "pos", "compound", "label"}.

    `next` is the cursor of those after them, `previous` of those before, `texts` the name that their column
    of texts has among the columns. Texts within a column are a column more, the first. `total` is how many
    there are on all pages, `before` how many of them on those before this one; None if not asked for.
    """

    items: list[dict[str, Any]]
    next: str | None
    previous: str | None
    texts: str
    total: int | None = None
    before: int | None = None
    columns: Sequence[Column] = ()

    @property
    def others(self) -> list[Column]:
        """Those of the source without the texts."""
        return [column for column in self.columns[: -len(OURS)] if column.name != self.texts]

    def name_of(self, sort: str) -> str:
        """What the column is called that `sort` names; of one that it names in another way, that."""
        return next((column.name for column in self.columns if column.sort == sort), sort)

    @property
    def sort_of_texts(self) -> str:
        """What the texts are called in `sort`."""
        return next((column.sort for column in self.columns if column.name == self.texts), self.texts)


def read(
    address: tuple[str, Any], column: str, question: Question, check: Callable[[], object] = lambda: None
) -> ScorePage:
    """Rows of the scored file at a `Storage.address`, whose texts came from `column`.

    Nulls come last in either order, equal ones in the file's order. There are fewer rows than asked for,
    and at least one, where they are very long. Raises BadInput for a column or a cursor that isn't there,
    Busy if others are read for long, Conflict for a file that DuckDB can't read, unless `check` raises
    because it is the storage that can't be read.
    """
    is_before, row = _place(question.cursor)
    with readable(check), _turn(), opened(*address) as connection:
        reader = _Reader(ScoredTable(connection, address[0], column), question)
        return reader.read(row, is_before=is_before)


@contextmanager
def _turn() -> Iterator[None]:
    if not _readers.acquire(timeout=PATIENCE_SECONDS):
        raise Busy("the rows of other files are being read; try again in a few seconds")
    try:
        yield
    finally:
        _readers.release()


@contextmanager
def readable(check: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Raises Conflict where DuckDB can't read the file."""
    try:
        yield
    except duckdb.Error as error:
        log.error("a scored file can't be read: %s", error)
        check()
        raise Conflict(
            "the rows of the scored file can't be read on the server; download the file instead"
        ) from None


def _place(cursor: str | None) -> tuple[bool, int | None]:
    """Whether rows before it are asked for, and the row. Raises BadInput."""
    if cursor is None:
        return False, None
    found = CURSOR.fullmatch(cursor)
    if found is None:
        raise _wrong_cursor()
    return bool(found[1]), int(found[2])


def _wrong_cursor() -> BadInput:
    return BadInput("cursor", "should be `next` or `previous` of another page of these rows")


class _Reader:
    """Of one page of an open file."""

    def __init__(self, table: ScoredTable, question: Question) -> None:
        self._table = table
        self._question = question
        self._order = order_of(table, question.sort)
        self._where, self._values = table.where(question.filter)

    def read(self, row: int | None, *, is_before: bool) -> ScorePage:
        """Those after a row, or before it; the first if there is none. Raises BadInput."""
        order = self._order.reversed() if is_before else self._order
        where = self._where
        if row is not None:
            where += f" AND {self._beyond(order, row)}"
        # First which rows, from few columns; then all of these few rows.
        limit = self._question.limit
        keys = self._table.select("r", f"WHERE {where} ORDER BY {order} LIMIT {limit + 1:d}", self._values)
        numbers = [int(number) for (number,) in keys.fetchall()]
        items = self._items(numbers[:limit])
        has_more = len(items) < len(numbers)
        if is_before:
            items.reverse()
        total = before = None
        if self._question.counted:
            total, before = self._counts(items[0]["row"] if items and row is not None else None)
        # A cursor names a row that was shown, which is on the page behind it.
        are_after, are_before = (True, has_more) if is_before else (has_more, row is not None)
        return ScorePage(
            items,
            str(items[-1]["row"]) if items and are_after else None,
            f"-{items[0]['row']}" if items and are_before else None,
            self._table.texts.name,
            total,
            before,
            [Column(name, sort_of(self._table, name, place)) for place, name in enumerate(self._table.names)],
        )

    def _beyond(self, order: Order, row: int) -> str:
        condition = beyond(self._table, order, row)
        if condition is None:
            raise _wrong_cursor()
        return condition

    def _counts(self, first: int | None) -> tuple[int, int]:
        """Of all rows, and of those before this one."""
        rows, is_all = self._question.rows, self._question.filter.is_all
        if rows is not None and is_all and (first is None or self._order.is_of_rows):
            return rows, first or 0
        before = "false" if first is None else self._beyond(self._order.reversed(), first)
        what = f"count(*), count(*) FILTER (WHERE {before})"
        found = self._table.select(what, f"WHERE {self._where}", self._values).fetchone()
        return found or (0, 0)

    def _items(self, numbers: list[int]) -> list[dict[str, Any]]:
        """As many of these rows, from the first on, as MAX_CHARACTERS hold."""
        if not numbers:
            return []
        texts = self._table.texts
        selected = [
            name if str(kind) in JSON_TYPES else f"CAST({name} AS VARCHAR)"
            for name, kind in zip(self._table.columns, self._table.types, strict=True)
        ]
        if texts.place is None:
            selected.insert(0, texts.sql)
        else:
            selected[texts.place] = texts.sql
        places = {number: place for place, number in enumerate(numbers)}
        found: dict[int, tuple[Any, ...]] = {}
        size, end = 0, len(numbers)
        rows = self._table.select(f"r, {', '.join(selected)}", f"WHERE r IN ({', '.join(map(str, numbers))})")
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
        texts, names = self._table.texts, self._table.names
        pairs = list(zip(names if texts.place is not None else [texts.name, *names], values, strict=True))
        return {"row": row, "columns": dict(pairs[: -len(OURS)])} | dict(pairs[-len(OURS) :])


def _characters(row: tuple[Any, ...]) -> int:
    return sum(len(value) for value in row if isinstance(value, str))
