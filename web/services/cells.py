"""Values of a table as SQL that gives JSON and text, with what JSON and spreadsheets don't have."""

import re
from typing import Any, Final

from jobyard.client.formulas import FORMULA, NUMBER

# What JSON has itself; others are there as DuckDB writes them.
JSON_TYPES: Final = frozenset(
    (
        *("BOOLEAN", "FLOAT", "DOUBLE", "VARCHAR", "TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
        *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    )
)
NESTED: Final = frozenset(("list", "array", "struct", "map"))


def as_json(value: str, kind: Any) -> str:
    """An expression whose value DuckDB writes as valid JSON: NaN and infinities, which it lacks, are null.

    `kind` is DuckDB's type of the expression.
    """
    if kind.id in NESTED:
        return f"to_json({_finite(value, kind)})"
    if str(kind) in JSON_TYPES:
        return _finite(value, kind)
    if str(kind) == "JSON":
        return f"CASE WHEN json_valid({value}) THEN {value} ELSE to_json(CAST({value} AS VARCHAR)) END"
    return as_text(value, kind)


def as_text(value: str, kind: Any, *, escape_formulas: bool = False) -> str:
    """An expression as CSV has it: what is nested as JSON, bytes as text if they are one.

    With `escape_formulas` as `formulas.escaped`, and `kernels.is_formula` of the workers.
    """
    if kind.id == "blob":
        text = f"coalesce(TRY(decode({value})), CAST({value} AS VARCHAR))"
    elif kind.id in NESTED:
        text = f"CAST({as_json(value, kind)} AS VARCHAR)"
    elif str(kind) in JSON_TYPES - {"VARCHAR"}:
        return value
    else:
        text = value if str(kind) == "VARCHAR" else f"CAST({value} AS VARCHAR)"
    if not escape_formulas:
        return text
    # RE2 has another way to write a character by its number.
    formula = re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", FORMULA.pattern)
    is_formula = f"regexp_matches({text}, '^{formula}')"
    is_number = f"regexp_full_match({text}, '{NUMBER.pattern}')"
    return f"CASE WHEN {is_formula} AND NOT {is_number} THEN '''' || {text} ELSE {text} END"


def as_field(value: str, kind: Any, *, escape_formulas: bool = False) -> str:
    """An expression as a file has it that was scored as CSV: in quotes only where it must be."""
    plain = as_text(value, kind)
    if plain == value and str(kind) != "VARCHAR":
        return plain
    # An apostrophe in front needs no quotes.
    text = as_text(value, kind, escape_formulas=escape_formulas)
    in_quotes = f"""'"' || replace({text}, '"', '""') || '"'"""
    return f"""CASE WHEN regexp_matches({plain}, '[",\\r\\n]') THEN {in_quotes} ELSE {text} END"""


def as_json_text(value: str, kind: Any) -> str:
    """An expression that is valid JSON: `as_json`, and null where there is nothing."""
    return f"coalesce(CAST(to_json({as_json(value, kind)}) AS VARCHAR), 'null')"


def as_cell(value: str, kind: Any) -> str:
    """An expression whose JSON a workbook has in a cell: as `as_json`, with what is nested in a text."""
    is_json = kind.id in NESTED or str(kind) == "JSON"
    return as_text(value, kind) if is_json else as_json(value, kind)


def _finite(value: str, kind: Any, depth: int = 0) -> str:
    """The same with null for NaN and infinities, wherever they are in it."""
    if not re.search("FLOAT|DOUBLE", str(kind)):
        return value
    children = dict(kind.children) if kind.id in NESTED else {}
    each = f"e{depth}"
    match kind.id:
        case "list" | "array":
            return f"list_transform({value}, lambda {each}: {_finite(each, children['child'], depth + 1)})"
        case "map":
            inner = _finite(each, children["value"], depth + 1)
            return f"map(map_keys({value}), list_transform(map_values({value}), lambda {each}: {inner}))"
        case "struct":
            fields = ", ".join(
                f"{_name(name)} := {_finite(f'({value}).{_name(name)}', child, depth)}"
                for name, child in children.items()
            )
            return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({fields}) END"
    return f"CASE WHEN isfinite({value}) THEN {value} END"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
