"""A workbook of rows, written by a process of its own: `python -m …web.services.workbook NAMES ROWS TARGET`.

In the server it would hold up every other request: it takes a second for some hundred thousand cells, and
all of it is Python. NAMES has an array of the columns' names as JSON, and ROWS one of values on each line.
"""

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Final

import xlsxwriter

# What a cell holds.
MAX_CHARACTERS: Final = 32_767
# Larger numbers are texts: a cell holds a double.
MAX_EXACT: Final = 2**53
NICE: Final = 10


def write(names: Path, rows: Path, target: Path) -> None:
    """Texts are never formulas or links; those that are longer than a cell end with an ellipsis."""
    options = {
        "constant_memory": True,
        "tmpdir": str(target.parent),
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(str(target), options) as workbook, rows.open(encoding="utf-8") as lines:
        sheet = workbook.add_worksheet()
        sheet.freeze_panes(1, 0)
        for number, line in enumerate(itertools.chain([names.read_text(encoding="utf-8")], lines)):
            for place, value in enumerate(json.loads(line)):
                match value:
                    case None:
                        pass
                    case bool():
                        sheet.write_boolean(number, place, value)
                    case int() | float() if abs(value) <= MAX_EXACT or isinstance(value, float):
                        sheet.write_number(number, place, value)
                    case _:
                        sheet.write_string(number, place, _cut(str(value)))


def _cut(text: str) -> str:
    if 2 * len(text) <= MAX_CHARACTERS:
        return text
    units = text.encode("utf-16-le")
    if len(units) <= 2 * MAX_CHARACTERS:
        return text
    return units[: 2 * (MAX_CHARACTERS - 1)].decode("utf-16-le", "ignore") + "…"


if __name__ == "__main__":
    os.nice(NICE)
    write(*map(Path, sys.argv[1:4]))
