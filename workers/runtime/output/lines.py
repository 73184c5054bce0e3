"""Lines out of what is printed, as people and terminals may have them."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from jobyard.shared.texts import storable

MAX_LINE: Final = 10_000

# Colours and movements of a terminal (CSI, OSC, and short ones), which a reader's terminal should not obey.
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Lines:
    """Of one stream: what it has written after its last line is kept until that line ends."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._rest = ""
        # Of a line that is longer than it may be.
        self._cut = 0

    def add(self, text: str) -> Iterator[str]:
        """The lines that end in this text, each with its line break."""
        first, *more = text.split("\n")
        self._continue(first)
        for line in more:
            yield self._end()
            self._continue(line)

    def rest(self) -> Iterator[str]:
        """A last line that nobody has ended."""
        if self._rest:
            yield self._end()

    def _continue(self, text: str) -> None:
        whole = self._rest + text
        shown = whole.rstrip("\r")
        if "\r" in shown:  # a progress bar writes the same line again and again
            whole, self._cut = whole[shown.rindex("\r") + 1 :], 0
        self._cut += max(len(whole) - MAX_LINE, 0)
        self._rest = whole[:MAX_LINE]

    def _end(self) -> str:
        line = _CONTROLS.sub("", _ESCAPES.sub("", self._redact(self._rest)))
        note = f"… ({self._cut:,} characters left out)" if self._cut else ""
        self._rest, self._cut = "", 0
        return storable(f"{line}{note}\n")
