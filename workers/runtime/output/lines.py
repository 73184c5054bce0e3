"""Lines out of what is printed, as people and terminals may have them."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from jobyard.shared.texts import storable

MAX_LINE: Final = 10_000
# So much more of a long line is kept until it ends: a secret that lies across the cut is found whole.
MARGIN: Final = 1_000

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
        self._cut += max(len(whole) - MAX_LINE - MARGIN, 0)
        self._rest = whole[: MAX_LINE + MARGIN]

    def _end(self) -> str:
        # In this order: a colour in the middle of a secret would hide it from who looks for it.
        line = self._redact(_CONTROLS.sub("", _ESCAPES.sub("", self._rest)))
        # Where the rest was cut, it may have been within a secret.
        shown = line[: min(MAX_LINE, max(len(line) - MARGIN, 0) if self._cut else MAX_LINE)]
        cut = self._cut + len(line) - len(shown)
        note = f"… ({cut:,} characters left out)" if cut else ""
        self._rest, self._cut = "", 0
        return storable(f"{shown}{note}\n")
