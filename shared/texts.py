"""Texts from outside may hold what a database or an answer can not: NUL, and halves of surrogate pairs.

PostgreSQL has no NUL in a text (in JSON it is an escape, and stays), and UTF-8 has no half of a surrogate
pair, which JSON can write as `\\ud800` and Python makes of file names in other encodings. Requests with such
a half are refused (`web.bodies`); whatever else comes is stored with U+FFFD in its place.
"""

import functools
import json
import re
from typing import Any

import sqlalchemy as sa

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# In JSON as Python's json writes it. What is found may still be the text of an escape, after a backslash.
_MAY_BE_A_HALF = re.compile(r"\\ud(?:[89ab]..(?!\\ud[c-f])|[c-f](?<!\\ud[89ab]..\\ud[c-f]))")
# All escapes one after another; a half alone is the group.
_ESCAPE = re.compile(r"\\ud[89ab]..\\ud[c-f]..|\\(ud[89a-f]..)|\\.")

# What is written goes to clients as it is, and JSON has no NaN; Python's would let it through.
_dumps = functools.partial(json.dumps, allow_nan=False)


def encodable(text: str) -> str:
    """The text as UTF-8 can have it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def storable(text: str, length: int | None = None) -> str:
    """The text as every database takes it, cut to so many characters."""
    return encodable(text).replace("\0", REPLACEMENT)[:length]


def to_json(value: Any, *, sort_keys: bool = False) -> str:
    """JSON for the database, and for clients. Raises ValueError at NaN and infinity."""
    return _whole(_dumps(value, sort_keys=sort_keys))


def from_json(text: str | bytes) -> Any:
    """What `to_json` wrote, or wrote before it replaced anything."""
    return json.loads(_whole(text if isinstance(text, str) else text.decode()))


def _whole(text: str) -> str:
    if "\\ud" not in text or not _MAY_BE_A_HALF.search(text):
        return text
    return _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], text)


class OutsideText(sa.types.TypeDecorator[str]):
    """A column of texts of which nobody knows what is in them."""

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length)
        self._length = length
        if length is None:
            self.impl = sa.Text()  # type: ignore[assignment] # an instance is as good as a class

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else storable(value, self._length)


def size(count: int) -> str:
    """1536 → "1.5 kB"."""
    if count < 1000:
        return f"{count} byte{'' if count == 1 else 's'}"
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB")):
        if count >= 1000**power:
            return f"{count / 1000**power:.3g} {unit}"
    return f"{count / 1000:.3g} kB"


def on_a_line(text: str, characters: int) -> str:
    """The text without line breaks, cut to so many characters."""
    line = " ".join(text[: 4 * characters].split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"


def duration(seconds: float) -> str:
    """0.25 → "0.2 s"; 75 → "1 min 15 s"; 7300 → "2 h 1 min"; 200000 → "2 d 7 h"."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    for over, unit, part, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= over:
            rest = whole % over // part
            return f"{whole // over} {unit} {rest} {small}" if rest else f"{whole // over} {unit}"
    return f"{whole} s"
