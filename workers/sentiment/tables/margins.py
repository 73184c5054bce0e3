"""Columns that a header does not name: R's row names, and those that delimiters at the ends of rows make."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from jobyard.workers.sentiment.tables import headers

# What the first column is called where it has numbers of rows.
NUMBERED = re.compile(r"#|no|nr|n|idx|index|key|row|.*id", re.IGNORECASE)


class Margins(NamedTuple):
    """How many columns come before those that the header names, and after them.

    One less after them: the header ends with a delimiter, and the rows don't.
    """

    before: int = 0
    after: int = 0

    def around(self, names: Sequence[str]) -> list[str]:
        """A name for each column: an empty one for those without."""
        named = list(names) if self.after >= 0 else list(names[: self.after])
        return [""] * self.before + named + [""] * self.after


NONE = Margins()


def find(
    names: Sequence[str], rows: Sequence[Sequence[str]], texts: str | None, *, is_quoted: bool
) -> Margins | None:
    """The margins of rows of one width, which have other than the header's; None where that can't be known.

    `texts` is the name of the column of texts, if that is known. `is_quoted`: all lines begin with a quote.
    """
    more = len(rows[0]) - len(names)
    if more > 0 and not any(cell for row in rows for cell in row[len(names) :]):
        return Margins(after=more)
    if more == -1 and len(names) > 1 and not names[-1]:
        return Margins(after=-1)
    if more == 1 and texts in names and _have_names(names, rows, names.index(texts)):
        is_counting = all(row[0].isdecimal() for row in rows)
        return Margins(before=1) if is_counting or is_quoted else None
    return None


def _have_names(names: Sequence[str], rows: Sequence[Sequence[str]], place: int) -> bool:
    """Whether the first field of each row is its name, as R writes it, and not the last one without a name.

    Then names differ, numbers are in a column of numbers, and the texts are where there are more words.
    """
    if len({row[0] for row in rows}) < len(rows) or not all(row[0] for row in rows):
        return False
    if any(row[1].startswith(" ") for row in rows):  # after a comma of a sentence
        return False
    if NUMBERED.fullmatch(names[0]) and not all(headers.is_value(row[1]) for row in rows if row[1]):
        return False
    return _words(rows, place + 1) > _words(rows, place)


def _words(rows: Sequence[Sequence[str]], place: int) -> int:
    return sum(len(row[place].split()) for row in rows if not headers.is_value(row[place]))
