"""What programs write as JSON though it has it not: mended in the line, and counted."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from jobyard.workers.sentiment.tables.encodings import BOM
from jobyard.workers.sentiment.tables.window import MAX_LINE

# What is counted.
SURROGATES, NOT_NUMBERS, CONTROLS = "surrogates", "not_numbers", "controls"

WARNINGS: Final = {
    SURROGATES: "halves of surrogate pairs, which are no characters, became U+FFFD ({count:,} in all)",
    CONTROLS: "control characters in strings, which JSON has not, were read as they are ({count:,} in all)",
    NOT_NUMBERS: "NaN and infinity, which JSON has not, became null ({count:,} in all)",
}

# Nothing is tried twice, so that the time grows with the line: also where a string is not closed.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?')
# But for zero bytes: a file that has these is no text.
_CONTROLS = re.compile(rb"[\x01-\x1f]")
_NOT_NUMBERS = re.compile(rb'(?P<other>"(?:[^"\\]++|\\.)*+"?)|NaN|-?Infinity')
_ESCAPES = re.compile(
    rb"(?P<other>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)|"
    rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


def mended(line: bytes) -> tuple[bytes, dict[str, int]]:
    """The line without what JSON lacks, and how often that was there."""
    counts: dict[str, int] = {}
    if len(line) > MAX_LINE:
        return line, counts
    line = line.removeprefix(BOM)  # files that have one were put together
    if _CONTROLS.search(line) is not None:
        line = _STRINGS.sub(
            lambda string: _CONTROLS.sub(_counted(CONTROLS, _escape, counts), string[0]), line
        )
    if b"NaN" in line or b"Infinity" in line:
        line = _NOT_NUMBERS.sub(_counted(NOT_NUMBERS, lambda _: b"null", counts), line)
    if b"\\ud" in line or b"\\uD" in line:
        line = _ESCAPES.sub(_counted(SURROGATES, lambda _: rb"\ufffd", counts), line)
    return line, counts


def _counted(
    what: str, mend: Callable[[re.Match[bytes]], bytes], counts: dict[str, int]
) -> Callable[[re.Match[bytes]], bytes]:
    """The same, and counts; `other` in what was matched is left as it is."""

    def replaced(match: re.Match[bytes]) -> bytes:
        if match.groupdict().get("other") is not None:
            return match[0]
        counts[what] = counts.get(what, 0) + 1
        return mend(match)

    return replaced


def warnings_of(counts: Mapping[str, int]) -> list[str]:
    """What was mended, as sentences."""
    return [WARNINGS[what].format(count=counts[what]) for what in WARNINGS if counts.get(what)]


def _escape(control: re.Match[bytes]) -> bytes:
    # Of an object over several lines, a carriage return is where a line ended.
    return rb"\n" if control[0] == b"\r" else b"\\u%04x" % ord(control[0])
