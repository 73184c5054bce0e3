"""Files whose lines end with carriage returns alone, as old programs for the Mac write them."""

import re
from collections.abc import Iterator

from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.contents import PARQUET
from jobyard.workers.sentiment.tables.steps import Opened, Step, Target
from jobyard.workers.sentiment.tables.window import BLOCK_BYTES

LONE_RETURN = re.compile(rb"\r+(?![\r\n])")


class LineEnds(Step):
    """Newlines take the place of carriage returns, also in fields with quotes: to words it is all one."""

    def applies(self, opened: Opened, spec: SentimentSpec) -> bool:
        # Rows of JSON may have carriage returns where the document had newlines.
        is_done = "line_ends" in opened.read_as or "rows_of" in opened.read_as
        return not is_done and not opened.head.startswith(PARQUET) and ends_with_returns(opened.head)

    def take(self, opened: Opened, spec: SentimentSpec, target: Target, progress: Progress) -> None:
        with opened.path.open("rb") as stream:
            target.write(_with_newlines(iter(lambda: stream.read(BLOCK_BYTES), b"")))
        opened.read_as["line_ends"] = "CR"


def ends_with_returns(head: bytes) -> bool:
    """Whether the first line ends so; of a table, where no quote is open."""
    found = LONE_RETURN.search(head)
    if found is None:
        return False
    if b"\n" not in head:
        return found.end() < len(head)
    end = re.match(rb'(?:[^"\r\n]|"[^"]*")*', head)
    return end is not None and LONE_RETURN.match(head, end.end()) is not None


def _with_newlines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for block in blocks:
        data = held + block
        held = b"\r" if data.endswith(b"\r") else b""
        yield re.sub(rb"\r(?!\n)", b"\n", data[: len(data) - len(held)])
    if held:
        yield b"\n"
