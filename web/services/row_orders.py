"""Orders of a scored file's rows: by any of its columns, and what comes after or before a row in them.

An order is a list of terms of which the last is the number of the row, so that no two rows are equal.
"""

import difflib
import re
from typing import Final, NamedTuple, Self

from jobyard.shared.errors import BadInput
from jobyard.web.services.exports import BY_ROW
from jobyard.web.services.scored_table import ScoredTable

# Whose values are compared as they are; others as DuckDB writes them.
COMPARED: Final = re.compile(
    r"BOOLEAN|U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*|DATE|TIME.*|UUID|BLOB"
)
NUMBERED: Final = re.compile(r"@([0-9]{1,9})")
# A name in an address is not longer.
MAX_NAME: Final = 200
# Among so many names the one that was meant is looked for.
MAX_COMPARED: Final = 1_000


class Term(NamedTuple):
    """An expression that rows are ordered by. Nulls come last, either way, unless it is reversed."""

    sql: str
    descending: bool = False
    nulls_last: bool = True

    def reversed(self) -> Self:
        """From the last to the first."""
        return self._replace(descending=not self.descending, nulls_last=not self.nulls_last)

    def __str__(self) -> str:
        way, nulls = "DESC" if self.descending else "ASC", "LAST" if self.nulls_last else "FIRST"
        return f"{self.sql} {way} NULLS {nulls}"


class Order(NamedTuple):
    """`sort` is what it is called."""

    sort: str
    terms: tuple[Term, ...]

    @property
    def is_of_rows(self) -> bool:
        """Whether the file has its rows in it."""
        return self.terms == ROWS

    def reversed(self) -> Self:
        """From the last to the first."""
        return self._replace(terms=tuple(term.reversed() for term in self.terms))

    def __str__(self) -> str:
        return ", ".join(map(str, self.terms))


# The number of the row, which is never null.
NUMBER: Final = "r"
ROWS: Final = (Term(NUMBER),)


def sort_of(table: ScoredTable, name: str, place: int) -> str:
    """What the column is called in `sort`: by its name where that is clear, else by its number."""
    clear = name not in ("", BY_ROW) and name[0] not in "-@" and len(name) <= MAX_NAME and "\0" not in name
    return name if clear and table.names.index(name) == place else f"@{place + 1}"


def order_of(table: ScoredTable, sort: str) -> Order:
    """`row`, the name of a column, or `@` and its number from 1; with `-` in front the other way.

    Texts that are numbers come first, by their values: what was scored as CSV has no others. Then others,
    whatever their case. Raises BadInput where there is no such column.
    """
    descending, name = sort.startswith("-"), sort.removeprefix("-")
    if name == BY_ROW:
        return Order(sort, (Term(NUMBER, descending),))
    return Order(sort, tuple(Term(key, descending) for key in _keys(table, name)) + ROWS)


def _keys(table: ScoredTable, name: str) -> list[str]:
    if numbered := NUMBERED.fullmatch(name):
        place = int(numbered[1]) - 1
        if not 0 <= place < len(table.names):
            raise BadInput("sort", f"there are {len(table.names):,} columns, and {name} is none of them")
    elif name in table.names:
        place = table.names.index(name)
    elif name == table.texts.name:
        return _texts(table.texts.sql)
    else:
        # A file may have thousands of columns with names of any length.
        short = [one for one in (*table.names[:MAX_COMPARED], table.texts.name) if len(one) <= MAX_NAME]
        near = difflib.get_close_matches(name[:MAX_NAME], short, 1)
        guess = f"; did you mean {near[0]!r}?" if near else "; it may also be @ and the number of a column"
        raise BadInput("sort", f"there is no column {name[:MAX_NAME]!r}{guess}")
    column, kind = table.columns[place], str(table.types[place])
    if place == table.texts.place:
        return _texts(table.texts.sql)
    if COMPARED.fullmatch(kind):
        return [column]
    return _texts(column if kind == "VARCHAR" else f"CAST({column} AS VARCHAR)")


def _texts(text: str) -> list[str]:
    number = f"TRY_CAST({text} AS DOUBLE)"
    return [f"CASE WHEN isfinite({number}) THEN {number} END", f"lower({text})"]


def beyond(table: ScoredTable, order: Order, row: int) -> str | None:
    """The condition of rows that come after this one; None if there is no such row.

    The values of its terms stay in DuckDB, in a variable: whatever type they have, they are exact there.
    """
    keys = {f"k{place}": term.sql for place, term in enumerate(order.terms[:-1])}
    values, nulls = _values_of(table, keys, row) if keys else ([], [])
    if nulls is None:
        return None
    conditions, same = [], list[str]()
    for term, value, is_null in zip(order.terms, [*values, f"{row:d}"], [*nulls, False], strict=True):
        if (later := _later(term, value, is_null=is_null)) is not None:
            conditions.append(" AND ".join([*same, later]))
        same.append(f"{term.sql} IS NULL" if is_null else f"{term.sql} = {value}")
    return f"({' OR '.join(f'({one})' for one in conditions)})"


def _values_of(table: ScoredTable, keys: dict[str, str], row: int) -> tuple[list[str], list[bool] | None]:
    """Expressions of what the keys are in this row, and whether each is null; None if there is no row."""
    record = ", ".join(f"{name} := {key}" for name, key in keys.items())
    table.select(f"struct_pack({record})", "WHERE r = ?)", [row], before="SET VARIABLE place = (")
    values = [f"struct_extract(getvariable('place'), '{name}')" for name in keys]
    tested = ", ".join(f"{one} IS NULL" for one in ["getvariable('place')", *values])
    found = table.connection.execute(f"SELECT {tested}").fetchone()
    is_none, *nulls = found or (True,)
    return values, None if is_none else nulls


def _later(term: Term, value: str, *, is_null: bool) -> str | None:
    if is_null:
        return None if term.nulls_last else f"{term.sql} IS NOT NULL"
    later = f"{term.sql} {'<' if term.descending else '>'} {value}"
    return f"({later} OR {term.sql} IS NULL)" if term.nulls_last and term.sql != NUMBER else later
