"""Patterns of texts in requests, each with what such a text should be: people are shown no pattern."""

from collections.abc import Mapping
from typing import Final

from jobyard.shared.kinds.fields import FIELDS_ARE
from jobyard.shared.kinds.marks import MARKS_ARE, NOTE

NO_NUL: Final = NOTE
SHA256: Final = r"^[0-9a-f]{64}$"
FAILURES_KEY: Final = r"^[0-9a-f]{16}$"
LOGS_CURSOR: Final = r"^[0-9]{1,9}:[0-9]{1,15}$"
METRICS_CURSOR: Final = r"^-?[0-9]{1,18}:[^\x00]*$"
PREDICTIONS_CURSOR: Final = r"^-?([0-9.e-]{0,30}:)?[0-9]{1,9}$"

# With a place for what was written.
SHOULD_BE: Final[Mapping[str, str]] = {
    **FIELDS_ARE,
    **MARKS_ARE,
    SHA256: "should be 64 hexadecimal digits in lower case, but is {}",
    FAILURES_KEY: "should be 16 hexadecimal digits, as the list of failures has it, but is {}",
    LOGS_CURSOR: "should be the `cursor` of a piece, or `next` of the page before, but is {}",
    METRICS_CURSOR: "should be `next` of the page before, but is {}",
    PREDICTIONS_CURSOR: "should be `next` or `previous` of another page, but is {}",
}
