"""Pictures from outside: formats, headers, decoding within a budget of memory. This is the package's door."""

from jobyard.shared.pictures.background import BLACK, WHITE, laid_on
from jobyard.shared.pictures.budget import Budget, cost
from jobyard.shared.pictures.decoding import (
    LIMITS,
    MAX_FILE_BYTES,
    TOO_LARGE,
    check_header,
    decoded,
    decoded_with_alpha,
    prepared,
    to_array,
)
from jobyard.shared.pictures.endings import end_of
from jobyard.shared.pictures.formats import FORMATS, SUFFIXES, UNKNOWN, NotAPicture, check_signature
from jobyard.shared.pictures.headers import Header

__all__ = [
    "BLACK",
    "FORMATS",
    "LIMITS",
    "MAX_FILE_BYTES",
    "SUFFIXES",
    "TOO_LARGE",
    "UNKNOWN",
    "WHITE",
    "Budget",
    "Header",
    "NotAPicture",
    "check_header",
    "check_signature",
    "cost",
    "decoded",
    "decoded_with_alpha",
    "end_of",
    "laid_on",
    "prepared",
    "to_array",
]
