"""Where a scored file has its texts, as SQL: in a column, or within one, as `user.name`.

What is within a column is an object there: a struct, or JSON in a string.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

OURS = ("neg", "neu", "pos", "compound", "label")
# Keys may have points in them: so many points are tried as the one or the other.
MAX_POINTS = 6


class TextColumn(NamedTuple):
    """`name` is what the texts are called, `sql` gives them as VARCHAR; they are the column at `place`, or
    within others if that is None.
    """

    name: str
    sql: str
    place: int | None


def text_column(
    column: str, names: Sequence[str], columns: Sequence[str], types: Sequence[str]
) -> TextColumn | None:
    """That of the texts which came from `column`, or None.

    `names`, `columns` and `types` are what the file's columns are called in it, in SQL, and in DuckDB.
    """
    place = _place(column, names)
    if place is not None:
        return TextColumn(names[place], _text(columns[place], types[place]), place)
    inner = [
        f"CASE WHEN json_valid({json}) THEN json_extract_string({json}, {_quoted(pointer)}) END"
        for place, name in enumerate(names)
        if column.startswith(f"{name}.")
        for json in [columns[place] if types[place] in ("VARCHAR", "JSON") else f"to_json({columns[place]})"]
        for pointer in _pointers(column.removeprefix(f"{name}."))
    ]
    return TextColumn(column, f"coalesce({', '.join(inner)}, NULL)", None) if inner else None


def _place(column: str, names: Sequence[str]) -> int | None:
    """A column that is called like one of ours was renamed, perhaps more than once."""
    if column not in names and column.lower() in OURS:
        fitting = (column + "_original" * times for times in range(1, len(names) + 1))
        column = next((name for name in fitting if name in names), column + "_original")
    return names.index(column) if column in names else None


def _text(column: str, kind: str) -> str:
    match kind:
        case "VARCHAR":
            return column
        case "BLOB":  # texts without being called so; all are UTF-8
            return f"decode({column})"
        case "JSON":
            return f"({column} ->> '$')"
    return f"CAST({column} AS VARCHAR)"


def _pointers(name: str) -> Iterator[str]:
    """JSON pointers to what may be called so: `a.b` in an object, and `b` in `a`."""
    keys = name.split(".")
    joints = min(len(keys) - 1, MAX_POINTS)
    for choice in range(1 << joints):
        path = [keys[0]]
        for place, key in enumerate(keys[1:]):
            if place < joints and not choice >> place & 1:
                path[-1] += f".{key}"
            else:
                path.append(key)
        yield "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
