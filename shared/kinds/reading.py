"""How a file of texts is read: what the fields may be that say so, and which of them an error is about."""

import codecs
import re
from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from jobyard.shared.kinds.base import Parameters

MAX_COLUMNS = 2_000

# What Python calls the encodings that files of texts come in. Those that run into millions of characters
# for a few bytes, or that are no encodings of text, are not among them.
SHOWN_ENCODINGS = ("utf-8", "utf-16", "cp1252", "iso8859-1", "gb18030", "shift_jis")
ENCODINGS = frozenset(
    (
        *SHOWN_ENCODINGS,
        *("ascii", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"),
        *(f"iso8859-{part}" for part in range(2, 17) if part != 12),
        *(f"cp125{page}" for page in (0, 1, 3, 4, 5, 6, 7, 8)),
        *("cp437", "cp850", "cp866", "mac-roman", "koi8-r", "koi8-u"),
        *("gbk", "gb2312", "big5", "euc_jp", "euc_kr", "cp932", "cp949", "cp950"),
    )
)


class ColumnNumber(Parameters):
    """A column by its number, also where another one is called so."""

    number: int = Field(strict=True, ge=1, le=MAX_COLUMNS)


def _column(value: object, check: ValidatorFunctionWrapHandler) -> str | int | ColumnNumber:
    """Validates with one message, where the union would give one for each of its types."""
    try:
        found: str | int | ColumnNumber = check(value)
    except ValidationError:
        raise ValueError(f"should be a name, or a number from 1 to {MAX_COLUMNS:,}") from None
    return found


Column = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    | Annotated[int, Field(strict=True, ge=1, le=MAX_COLUMNS)]
    | ColumnNumber,
    Field(union_mode="left_to_right"),
    WrapValidator(_column),
]


def _encoding(name: str) -> str:
    """The codec's own name. Raises ValueError where Python knows no such encoding of text."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = ""
    if found not in ENCODINGS:
        raise ValueError(f"should be an encoding of texts, such as {', '.join(SHOWN_ENCODINGS)}")
    return found


# Excel's own limit is 31 characters; that of other programs is higher.
Sheet = Annotated[str, StringConstraints(min_length=1, max_length=255)]

# What `delimiter` is for a file whose lines are texts.
NO_DELIMITER = "none"
_DELIMITERS = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "\\t": "\t",
    "pipe": "|",
    "space": " ",
    "^A": "\x01",
    "\\x01": "\x01",
}


def _delimiter(given: str) -> str:
    """The character itself, or "none". Raises ValueError at what can't be between fields."""
    found = _DELIMITERS.get(given, given)
    if found != NO_DELIMITER and (
        len(found) != 1 or not found.isascii() or found.isalnum() or found in '"\\\r\n\0.-_'
    ):
        raise ValueError(
            "should be one character, such as a comma, ; or |, or tab; or none, to score whole lines"
        )
    return found


# Lines before a header, words that are no texts, and characters of such a word.
MAX_SKIPPED = 1_000
MAX_NULLS = 20
NullValue = Annotated[str, StringConstraints(min_length=1, max_length=100)]

Delimiter = Annotated[str, StringConstraints(min_length=1, max_length=10), AfterValidator(_delimiter)]

Encoding = Annotated[str, StringConstraints(max_length=30), AfterValidator(_encoding)]

# What errors say of a column, and of another field.
_WRONG_COLUMN = re.compile(r"(?:there is no column |^(?:.*: )?column )('.*?'|\".*?\"|\d+)(?:;|:| is )")
_NAMED_FIELD = re.compile(r"`(column|sheet|delimiter|encoding|header|quote|skip_lines)`")


def field_named_by(error: str, group_by: object) -> str | None:
    """The field that a failed job's error is about, by its words; None where it is about none.

    A look at a file answers with the `field` of its WorkError. Of a job's error the database keeps the words
    alone, and also jobs that failed long ago lead to their field.
    """
    if found := _WRONG_COLUMN.search(error):
        is_group = "to group by" in error or (group_by is not None and repr(group_by) == found[1])
        return "group_by" if is_group else "column"
    named = _NAMED_FIELD.search(error)
    return None if named is None else named[1]
