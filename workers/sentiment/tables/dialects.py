"""How delimited text is written: its delimiter, its quotes, where its header is, and what null is."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

# PostgreSQL, MySQL and Hive write null so; no text is meant by it.
NULL = "\\N"

# What the delimiters that are looked for are called.
DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "pipes", "\x01": "^A"}
# R's write.table writes it; it is looked for where nothing else is between fields.
SPACE = " "
# What is not in texts stands for the delimiter of a file of one column, in which commas are letters.
NOTHING = "\x1f"


class Dialect(NamedTuple):
    """How delimited text is written.

    `quote`: quotes inside quotes are doubled ("double") or have a backslash before them ("backslash"); there
    are none, and a quote is a letter ("none"), as in PostgreSQL's text format, in which \\n, \\t and \\\\ are
    a newline, a tab and a backslash ("text"). `skip_lines` come before the header, or before the rows.
    `is_padded`: spaces may stand before fields and names, and after quotes. `is_guessed`: how quotes are
    written may be otherwise. `before` and `after` are columns that the header does not name, as in `Margins`;
    `is_ruled`: the line after the header has dashes. Whole fields that are among `nulls` are null.
    """

    delimiter: str = ","
    quote: str = "double"
    header: bool = True
    skip_lines: int = 0
    is_padded: bool = False
    is_guessed: bool = False
    before: int = 0
    after: int = 0
    is_ruled: bool = False
    nulls: Sequence[str] = ()

    @classmethod
    def from_note(cls, note: Sequence[Any]) -> Self:
        """Out of what JSON makes of a dialect."""
        return cls(*note)._replace(nulls=tuple(note[-1]))

    @property
    def kind(self) -> str:
        """What the result calls it."""
        return "tsv" if self.delimiter == "\t" else "csv"

    def read_as(self) -> dict[str, Any]:
        """For the result, in the words of the spec."""
        found: dict[str, Any] = {} if self.delimiter == NOTHING else {"delimiter": self.delimiter}
        found |= {
            "quote": "backslash" if self.quote == "text" else self.quote,
            "header": "yes" if self.header else "no",
        }
        return found | ({"skip_lines": self.skip_lines} if self.skip_lines else {})


def separated(delimiter: str) -> str:
    """`separated by commas`."""
    return f"separated by {(DELIMITERS | {SPACE: 'spaces'}).get(delimiter, repr(delimiter))}"
