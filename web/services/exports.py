"""What is asked of a scored file: which of its rows, in which order, in which format."""

from typing import Final, Literal, NamedTuple

Format = Literal["csv", "parquet", "jsonl", "xlsx"]
MEDIA_TYPES: Final[dict[Format, str]] = {
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "jsonl": "application/x-ndjson",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# What a sheet holds: rows with that of the names, and columns. A workbook with more cells takes minutes.
MAX_ROWS: Final = 1_048_576
MAX_COLUMNS: Final = 16_384
MAX_CELLS: Final = 10_000_000
# About so many are written in a second; the server sends nothing before the last one.
CELLS_PER_SECOND: Final = 100_000
# The order of the file.
BY_ROW: Final = "row"


class Filter(NamedTuple):
    """Which rows: with this label, with this in their text (whatever the case)."""

    label: str | None = None
    search: str | None = None

    @property
    def is_all(self) -> bool:
        """Whether no row is left out."""
        return self.label is None and not self.search


class Export(NamedTuple):
    """Which rows, in which order (see `row_orders.order_of`), and how they are written."""

    filter: Filter
    sort: str
    format: Format
    escape_formulas: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether these are all rows, in the order of the file, as they are."""
        return self.filter.is_all and self.sort == BY_ROW and not self.escape_formulas

    def file_name(self, stem: str) -> str:
        """What the file is called, by the name of the scored file without its suffix."""
        return f"{stem}.{self.format}" if self.filter.is_all else f"{stem}.filtered.{self.format}"


def why_no_workbook(rows: int, columns: int) -> str | None:
    """Why so many rows are not written as a workbook; None if they are."""
    if rows >= MAX_ROWS or columns > MAX_COLUMNS:
        return (
            f"a sheet holds {MAX_ROWS - 1:,} rows and {MAX_COLUMNS:,} columns, and these are {rows:,} "
            f"rows and {columns:,} columns; filter them, or take CSV or Parquet"
        )
    if rows * columns > MAX_CELLS:
        return (
            f"a workbook of {rows:,} rows and {columns:,} columns takes too long to write, for more than "
            f"{MAX_CELLS:,} cells; filter the rows, or take CSV or Parquet"
        )
    return None


def workbook_seconds(rows: int, columns: int) -> float:
    """About how many seconds it takes to write so many rows as a workbook."""
    return rows * columns / CELLS_PER_SECOND
