"""JSON objects on lines of their own, as values of Python: many at once, or one by one where some are broken.

What Python and JavaScript write and JSON lacks is read as pandas does: NaN and infinity are null. Half of a
surrogate pair, which is no character, becomes U+FFFD, and is counted.
"""

import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

from pydantic_core import from_json

from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.mends import mended
from jobyard.workers.sentiment.tables.window import MAX_LINE, NOT_UTF_8, TOO_LONG

# Of JSON that becomes Python's objects at once, unless one line is longer; and of the values in such a line.
JSON_BYTES = 1 << 20
MAX_VALUES = 500_000
# Where some line is broken, lines are read one by one: so many between two checks for a cancel.
CHECKED_LINES = 1_000
# pydantic's parser gives up before Python's does, but not at so few brackets.
FEW_BRACKETS = 100

Row = dict[str, Any]


class Objects(NamedTuple):
    """Lines, as they are or as they were mended, and the objects on them."""

    lines: list[bytes]
    rows: list[Row]


def value_at(row: Row, name: str) -> Any:
    """The value of that key; else of the last of several with points between them, each in the one before.

    None if there is none.
    """
    if name in row:
        return row[name]
    at = name.find(".")
    while at >= 0:
        inner = row.get(name[:at])
        if isinstance(inner, dict) and (found := value_at(inner, name[at + 1 :])) is not None:
            return found
        at = name.find(".", at + 1)
    return None


def values_at(rows: Sequence[Row], name: str) -> list[Any]:
    if "." in name:
        return [value_at(row, name) for row in rows]
    return [row.get(name) for row in rows]


def read_objects(
    number: int,
    lines: list[bytes],
    texts: str | None,
    broken: Broken,
    counts: Counter[str],
    progress: Progress,
) -> Objects:
    """The objects of lines, the first of which has that number; blank ones are left out.

    `texts` should be the column of texts: strings, numbers, booleans or null.
    """
    is_short = sum(map(len, lines)) <= JSON_BYTES
    found = _quickly(lines, texts) if is_short else None
    return found or _carefully(number, lines, texts, broken, counts, progress)


def _quickly(lines: list[bytes], texts: str | None) -> Objects | None:
    """None if they need a closer look."""
    found = [line for line in lines if line.strip()]
    try:
        rows = [from_json(line, allow_inf_nan=False, cache_strings="keys") for line in found]
        if not set(map(type, rows)) <= {dict}:
            return None
        values = list(chain.from_iterable(map(dict.values, rows)))
        types = set(map(type, values))
        if types & {list, dict}:  # a number that is too large for a float is infinite, also inside them
            json.dumps([value for value in values if isinstance(value, list | dict)], allow_nan=False)
    except ValueError:
        return None
    if float in types and (math.inf in values or -math.inf in values):
        return None
    if texts is not None and set(map(type, values_at(rows, texts))) & {list, dict}:
        return None
    return Objects(found, rows)


def _carefully(
    number: int,
    lines: list[bytes],
    texts: str | None,
    broken: Broken,
    counts: Counter[str],
    progress: Progress,
) -> Objects:
    """Line by line."""
    good, rows = [], []
    for line_number, line in enumerate(lines, number):
        if line_number % CHECKED_LINES == 0:
            progress.check()
        plain, mends = mended(line)
        try:
            row = _parse(plain) if broken.room else _parse_quickly(plain)
            text = None if row is None or texts is None else value_at(row, texts)
            if isinstance(text, list | dict):
                shown = json.dumps(text)[:50] if broken.room else "another type"
                raise ValueError(f"the text is {shown}; should be a string, a number or null")
        except _BrokenJson as error:
            at = error.line if broken.numbered == "line" else 0
            broken.rows(1, [(line_number + at, str(error))])
        except ValueError as error:
            broken.rows(1, [(line_number, str(error))] if broken.room else [])
        else:
            if row is not None:
                counts.update(mends)
                good.append(plain)
                rows.append(row)
    return Objects(good, rows)


# Python's words for where JSON is broken, as sentences' ends.
_WORDS = {
    "Unterminated string starting at": "a string begins here that is not closed",
    "Invalid control character at": "a control character, which should be escaped",
}


class _BrokenJson(ValueError):
    """`line` is how many lines after its first one an object is broken."""

    def __init__(self, error: json.JSONDecodeError) -> None:
        self.line = error.doc.count("\r", 0, error.pos)
        character = error.pos - error.doc.rfind("\r", 0, error.pos) if self.line else error.colno
        what = _WORDS.get(error.msg, error.msg)
        if error.doc[error.pos : error.pos + 1] == "'":
            what += ", not single ones, as Python writes them" if "double quotes" in what else ""
        super().__init__(f"broken JSON at character {character}: {what}")


def _parse_quickly(line: bytes) -> Row | None:
    """`_parse`, but the ValueError need not say what is broken, which is most of the work."""
    if len(line) > JSON_BYTES or not line.isascii() or line.count(b"[") + line.count(b"{") > FEW_BRACKETS:
        return _parse(line)
    try:
        row = from_json(line, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        if line.strip():
            raise
        return None
    if not isinstance(row, dict):
        raise ValueError
    # A number that is too large for a float is infinite, also inside of lists.
    return _parse(line) if {float, list, dict} & set(map(type, row.values())) else row


def _parse(line: bytes) -> Row | None:
    """The object on a line; None for a blank one. Raises ValueError that says what is broken."""
    if len(line) > MAX_LINE:
        raise ValueError(TOO_LONG)
    if line.count(b",") > MAX_VALUES:
        raise ValueError(f"has over {MAX_VALUES:,} values; should have fewer")
    if b"\0" in line:
        raise ValueError("has a zero byte; should be text")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} {NOT_UTF_8}") from None
    return _object(text) if text.strip() else None


def _object(text: str) -> Row:
    try:
        row = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise _BrokenJson(error) from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        if reason.startswith("Exceeds the limit"):
            reason = f"a number has over {sys.get_int_max_str_digits():,} digits"
        raise ValueError(f"broken JSON: {reason}") from None
    if not isinstance(row, dict):
        raise ValueError('should be a JSON object, as {"text": "…"}')
    return row


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:50]} is too large")
    return value


_decoder = json.JSONDecoder(parse_float=_finite)
