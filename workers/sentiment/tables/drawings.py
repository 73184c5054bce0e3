"""Tables that are drawn with characters, for people's eyes: refused by what they are."""

import re
from itertools import islice

from jobyard.shared.errors import WorkError

# A line between a header and its rows, or around a table, as the shells of databases draw it.
FRAME = re.compile(rb"\s*[+|]?[-=]{2,}([+|][-=]+)+[+|]?\s*")
EXPORT = "export it as CSV"
# Lines that are compared, and columns that have to be aligned in all of them.
MAX_LINES = 50
LEAST_LINES = 3
NAME = re.compile(rb"\S+(?: \S+)*")


def refuse_drawn(text: bytes) -> None:
    """Raises WorkError for a table with frames, as `psql` and `mysql` show it."""
    lines = [line for line in islice(text.split(b"\n", 5), 4) if line.strip()]
    if any(FRAME.fullmatch(line) and b"+" in line for line in lines):
        raise WorkError(
            f"the file is a table that is drawn with lines, as a database's shell shows it; {EXPORT}"
        )


def padded_columns(text: bytes, *, is_whole: bool) -> list[str]:
    """The names of the columns of a table that are aligned with spaces; none if it isn't one.

    Each but the first name is after two spaces or more, and begins where all lines have a space before.
    """
    lines = text.split(b"\n", MAX_LINES + 1)[: MAX_LINES + is_whole]
    lines = [line.rstrip() for line in lines if line.strip()][:MAX_LINES]
    if len(lines) < LEAST_LINES:
        return []
    starts = [name.start() for name in NAME.finditer(lines[0])]
    are_aligned = all(line[start - 1 : start] in (b" ", b"") for line in lines for start in starts[1:])
    if len(starts) < 2 or not are_aligned or starts[0]:
        return []
    return [name.decode(errors="replace") for name in re.split(rb" {2,}", lines[0])]
