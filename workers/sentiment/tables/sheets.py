"""The process that reads a workbook: one sheet becomes CSV. See `workbooks`."""

import csv
import datetime
import math
import resource
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

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


def main() -> None:
    told = task()
    limit_memory(told["memory_bytes"])

    def work() -> dict[str, Any]:
        with calamine.load_workbook(told["path"]) as workbook:
            return read(workbook, told["sheet"], told["columns"], told["limit"])

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


def read(
    workbook: calamine.CalamineWorkbook, name: str | None, columns: Sequence[str | int], limit: int
) -> dict[str, Any]:
    """Write the sheet of that name, or the one that is meant, to SHEET_FILE, cut after `limit` bytes.

    Returns {"sheet", "warnings"}. Raises WorkError, and what the library raises.
    """
    sheets = [sheet for sheet in workbook.sheets_metadata if sheet.typ == calamine.SheetTypeEnum.WorkSheet]
    names = [sheet.name for sheet in sheets]
    warnings: list[str] = []
    if name is not None:
        if name not in names:
            raise WorkError(f"the workbook has no sheet {name!r}; `sheet` should be one of {shown(names)}")
        chosen = workbook.get_sheet_by_name(name)
    else:
        visible = [sheet.name for sheet in sheets if sheet.visible == calamine.SheetVisibleEnum.Visible]
        chosen, others = choose(workbook, visible or names, columns)
        if others:
            warnings.append(
                f"only the sheet {chosen.name!r} was read; the others are {shown(others)} (see `sheet`)"
            )
    rows = without_titles(rows_of(chosen), warnings)
    write(rows, limit)
    return {"sheet": chosen.name, "warnings": warnings}


def choose(
    workbook: calamine.CalamineWorkbook, names: Sequence[str], columns: Sequence[str | int]
) -> tuple[calamine.CalamineSheet, list[str]]:
    """The only sheet with rows, or the only one of them that names these columns in its first rows.

    Also returns the names of the others with rows. Raises WorkError where none or several would do.
    """
    filled, fitting = [], []
    for name in names:
        sheet = workbook.get_sheet_by_name(name)
        if sheet.height:
            filled.append(name)
            if has_columns(sheet, columns):
                fitting.append(name)
    if not filled:
        raise WorkError("the workbook has no rows")
    if len(filled) > 1 and len(fitting) != 1:
        raise WorkError(
            f"the workbook has {len(filled)} sheets with rows: {shown(filled)}; say in `sheet` which is meant"
        )
    chosen = filled[0] if len(filled) == 1 else fitting[0]
    return workbook.get_sheet_by_name(chosen), [name for name in filled if name != chosen]


def has_columns(sheet: calamine.CalamineSheet, columns: Sequence[str | int]) -> bool:
    """Whether one of the first rows has all these names. A column by its number is in any sheet."""
    wanted = {column for column in columns if isinstance(column, str)}
    rows = (row for _, row in zip(range(HEADER_ROWS), rows_of(sheet), strict=False))
    return bool(wanted) and any(wanted <= {text_of(cell) for cell in row} for row in rows)


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


def without_titles(rows: Iterable[list[Cell]], warnings: list[str]) -> Iterator[list[Cell]]:
    """Of a sheet of several columns, without the rows before its header: in these one cell alone is used.

    They are named in `warnings`. Where no row has more, all are kept.
    """
    held: list[list[Cell]] = []
    is_begun = False
    for row in rows:
        if not is_begun:
            is_header = len(row) == 1 or sum(cell != "" for cell in row) > 1
            if not is_header and len(held) < HEADER_ROWS:
                held.append(row)
                continue
            is_begun = True
            titles = [text_of(cell) for before in held for cell in before if cell != ""]
            if not is_header:
                yield from held
            elif titles:
                warnings.append(f"the sheet's first rows were taken for its title: {shown(titles)}")
        yield row
    if not is_begun:
        yield from held


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
