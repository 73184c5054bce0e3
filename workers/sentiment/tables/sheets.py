"""The process that reads a workbook: one sheet becomes CSV. See `workbooks`."""

import csv
import datetime
import math
import resource
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import python_calamine as calamine

from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.child import answer_of, task

SHEET_FILE: Final = "sheet.csv"
# Of a sheet that may be the one that is meant, the rows in which its header is looked for.
HEADER_ROWS: Final = 20
SHOWN: Final = 20
# Whole numbers that a float holds exactly, and Excel writes without a point.
MAX_WHOLE: Final = 1e15

Cell = int | float | str | bool | datetime.time | datetime.date | datetime.datetime | datetime.timedelta


class Asked(NamedTuple):
    """What the job says of a workbook: `sheet`, and what `columns` it has; `is_asked`: in so many words.

    `skip_lines` are the rows before the header, from the sheet's first one on; None: to be found.
    """

    sheet: str | None
    columns: Sequence[str]
    is_asked: bool
    has_header: bool
    skip_lines: int | None


def main() -> None:
    told = task()
    limit_memory(told["memory_bytes"])

    def work() -> dict[str, Any]:
        with calamine.load_workbook(told["path"]) as workbook:
            if told.get("lists"):
                return {"sheets": names_of(workbook)}
            asked = Asked(**{name: told[name] for name in Asked._fields})
            return read(workbook, asked, told["limit"])

    answer_of(work, cause=cause, no_memory=told["no_memory"])


def cause(error: Exception) -> str:
    """Why a workbook can't be read, where the library says it."""
    if isinstance(error, calamine.PasswordError):
        return "the workbook has a password; save it without one"
    return f"the workbook is damaged: {' '.join(str(error).split())[:200]}; save it anew as .xlsx or CSV"


def limit_memory(more_bytes: int) -> None:
    """Let an allocation fail that goes over so much more than this process has: on Linux, at once."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_bytes().split()[0])
        most = pages * resource.getpagesize() + more_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def read(workbook: calamine.CalamineWorkbook, asked: Asked, limit: int) -> dict[str, Any]:
    """Write the sheet that is asked for, or the one that is meant, to SHEET_FILE, cut after `limit` bytes.

    Returns {"sheet", "warnings"}. Raises WorkError, and what the library raises.
    """
    sheets = _sheets_of(workbook)
    names = [sheet.name for sheet in sheets]
    warnings: list[str] = []
    if asked.sheet is not None:
        if asked.sheet not in names:
            raise WorkError(
                f"the workbook has no sheet {asked.sheet!r}; `sheet` should be one of {shown(names)}",
                field="sheet",
            )
        chosen = workbook.get_sheet_by_name(asked.sheet)
    else:
        hidden = {sheet.name for sheet in sheets if sheet.visible != calamine.SheetVisibleEnum.Visible}
        filled = [name for name in names if workbook.get_sheet_by_name(name).height]
        chosen, others = choose(
            workbook, [name for name in filled if name not in hidden] or filled, asked.columns
        )
        if others:
            warnings.append(
                f"only the sheet {chosen.name!r} was read; the others are {shown(others)} (see `sheet`)"
            )
        if chosen.name in hidden:
            warnings.append(f"the sheet {chosen.name!r} is hidden, and the only one with rows")
    if asked.skip_lines is not None:
        rows = skipped(chosen, asked.skip_lines)
    elif not asked.has_header:
        rows = rows_of(chosen)
    else:
        rows = without_titles(chosen, asked, warnings)
    write(rows, limit)
    return {"sheet": chosen.name, "warnings": warnings}


def _sheets_of(workbook: calamine.CalamineWorkbook) -> list[calamine.SheetMetadata]:
    return [sheet for sheet in workbook.sheets_metadata if sheet.typ == calamine.SheetTypeEnum.WorkSheet]


def names_of(workbook: calamine.CalamineWorkbook) -> list[str]:
    """Of the sheets that have cells, and no charts, in their order."""
    return [sheet.name for sheet in _sheets_of(workbook)]


def choose(
    workbook: calamine.CalamineWorkbook, filled: Sequence[str], columns: Sequence[str]
) -> tuple[calamine.CalamineSheet, list[str]]:
    """The only one of these sheets, which have rows, or the only one that names these columns in its first.

    Also returns the names of the others. Raises WorkError where none or several would do.
    """
    fitting = [name for name in filled if has_columns(workbook.get_sheet_by_name(name), columns)]
    if not filled:
        raise WorkError("the workbook has no rows")
    if len(filled) > 1 and len(fitting) != 1:
        raise WorkError(
            f"the workbook has {len(filled)} sheets with rows: {shown(filled)}; say in `sheet` which is "
            "meant",
            field="sheet",
        )
    chosen = filled[0] if len(filled) == 1 else fitting[0]
    return workbook.get_sheet_by_name(chosen), [name for name in filled if name != chosen]


def has_columns(sheet: calamine.CalamineSheet, columns: Sequence[str]) -> bool:
    """Whether one of the first rows has all these names. A column by its number is in any sheet."""
    return bool(columns) and header_of(sheet, columns) is not None


def header_of(sheet: calamine.CalamineSheet, columns: Sequence[str]) -> int | None:
    """Which of the first rows has all these names."""
    wanted = set(columns)
    rows = enumerate(islice(rows_of(sheet), HEADER_ROWS))
    return next((place for place, row in rows if wanted <= set(map(text_of, row))), None)


def rows_of(sheet: calamine.CalamineSheet) -> Iterator[list[Cell]]:
    """The rows from the first cell that is used, in both directions, to the last."""
    if sheet.start is None or sheet.end is None:
        return
    width = sheet.end[1] - sheet.start[1] + 1
    is_begun = False
    for row in sheet.iter_rows():
        # The library gives empty rows before the first, and may give empty columns.
        is_begun = is_begun or any(cell != "" for cell in row)
        if is_begun:
            yield row[-width:]


def skipped(sheet: calamine.CalamineSheet, count: int) -> Iterator[list[Cell]]:
    """All rows of a sheet, the first of which are empty ones instead: who reads them skips so many lines."""
    before = sheet.start[0] if sheet.start is not None else 0
    for place, row in enumerate(chain([[]] * before, rows_of(sheet))):
        if place >= count:
            yield row
        else:
            yield []


def without_titles(sheet: calamine.CalamineSheet, asked: Asked, warnings: list[str]) -> Iterator[list[Cell]]:
    """Without the rows before the header, which are named in `warnings`.

    In these one cell alone is used, or another of the first rows has the columns that are asked for. All are
    kept where no row has more than one cell.
    """
    first = list(islice(rows_of(sheet), HEADER_ROWS + 1))
    used = [sum(cell != "" for cell in row) for row in first]
    header = next((place for place, count in enumerate(used) if count > 1 or len(first[place]) == 1), None)
    if header is None or header == HEADER_ROWS:
        return rows_of(sheet)
    named = header_of(sheet, asked.columns) if asked.columns else None
    if named is not None and (asked.is_asked or max(used[:named], default=0) < 2):
        header = named
    if titles := [text_of(cell) for row in first[:header] for cell in row if cell != ""]:
        warnings.append(f"the sheet's first rows were taken for its title: {shown(titles)}")
    return islice(rows_of(sheet), header, None)


def write(rows: Iterable[list[Cell]], limit: int) -> None:
    """Rows as CSV: every field in quotes. Stops where it is over `limit` bytes, which is then refused."""
    with Path(SHEET_FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        size = 0
        for row in rows:
            size += writer.writerow(map(text_of, row))
            if size > limit:
                return


def text_of(cell: Cell) -> str:
    """As in JSON and ISO 8601; a number that is whole has no point."""
    match cell:
        case bool():
            return "true" if cell else "false"
        case float():
            whole = math.isfinite(cell) and cell.is_integer() and abs(cell) < MAX_WHOLE
            return str(int(cell)) if whole else repr(cell)
        case datetime.datetime():
            return cell.isoformat(" ")
        case datetime.date() | datetime.time():
            return cell.isoformat()
    return str(cell)


def shown(names: Sequence[str]) -> str:
    """The first of them, each in quotes."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name[:100]) for name in names[:SHOWN]) + more


if __name__ == "__main__":
    main()
