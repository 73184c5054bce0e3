"""What of a table a spreadsheet would run as a formula: server and command line escape the same."""

import re
from typing import Any, Final

# What begins like a formula, which one that is a NUMBER is not. The last of each are of full width.
FORMULA: Final = re.compile(r"[=@\t\r\n\uff1d\uff20+\-\uff0b\uff0d]")
NUMBER: Final = re.compile(r"[+-](?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def escaped(field: Any) -> Any:
    """With an apostrophe before what a spreadsheet would take for a formula; what is no text stays."""
    is_formula = isinstance(field, str) and FORMULA.match(field) and not NUMBER.fullmatch(field)
    return f"'{field}" if is_formula else field
