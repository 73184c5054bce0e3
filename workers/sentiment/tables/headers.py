"""Whether the first row of a table has the names of its columns, or is data."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

# Numbers, dates and times: what is hardly ever the name of a column of such values.
VALUE = re.compile(
    r"[+-]?(\d[\d.,]*|[.,]\d+)([eE][+-]?\d+)?\s?[%€$£]?"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?"
    r"|\d{1,2}:\d{2}(:\d{2})?"
    r"|(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,? .*\d{2}:\d{2}.*"
)
# A name has at most so many words and characters.
NAME_WORDS = 6
NAME_CHARACTERS = 80
# What stands for no value, and is no name either.
NULLS = ("NA", "N/A", "NULL", "null", "None", "nan", "NaN", "\\N", "-")
# What is surely a name has at most so many words.
SHORT_NAME = 3


class Verdict(NamedTuple):
    """Whether the first row has names, and whether all speaks for it, or nothing against it."""

    is_header: bool
    is_sure: bool


def judge(first: Sequence[str], rows: Sequence[Sequence[str]]) -> Verdict:
    """Compare the first row with the `rows` below it, column by column."""
    if _is_counting(first):
        return Verdict(is_header=True, is_sure=True)
    first = [cell.strip() for cell in first]
    names = values = 0
    for place, name in enumerate(first):
        # The header may be there again, where files were put together.
        cells = [row[place].strip() for row in rows if list(row) != first]
        below = [cell for cell in cells if cell and cell not in NULLS]
        if not name or name in NULLS:
            continue
        if below and all(map(is_value, below)):
            names += not is_value(name)
            values += is_value(name)
        elif name in below or (is_sentence(name) and not _is_asked(name, below)):
            values += 1
    if not names and not values:
        return Verdict(is_header=True, is_sure=False)
    return Verdict(is_header=names > 0, is_sure=not (names and values))


def is_name(cell: str) -> bool:
    """Whether it looks like the name of a column: a few words without punctuation, or nothing."""
    return len(cell.split()) <= SHORT_NAME and re.fullmatch(r"[\w .:/()#%@-]*", cell) is not None


def is_value(cell: str) -> bool:
    """Whether it is a number, a date or a time."""
    return VALUE.fullmatch(cell) is not None


def is_sentence(cell: str) -> bool:
    """Whether it is too long, or punctuated too well, to be a name."""
    return (
        len(cell) > NAME_CHARACTERS
        or len(cell.split()) > NAME_WORDS
        or (len(cell.split()) > 1 and cell.endswith((".", "!", ",")))
    )


def _is_asked(name: str, below: Sequence[str]) -> bool:
    """Whether it is the question of a form, and those are the answers."""
    return name.endswith("?") and not any(cell.endswith("?") for cell in below)


def _is_counting(names: Sequence[str]) -> bool:
    """Whether the numbers among the names count up by one: 0, 1, 2, … or 2023, 2024."""
    numbers = [int(name) for name in names if re.fullmatch(r"\d{1,9}", name)]
    steps = {after - before for before, after in pairwise(numbers)}
    return len(numbers) > 1 and steps == {1}
