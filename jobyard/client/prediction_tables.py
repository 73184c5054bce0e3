"""Predictions as a table: what the server gives as Parquet, with the names and the index that were given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobyard.client.chosen_rows import ALL, Choice, in_polars, in_pyarrow
from jobyard.client.errors import BadRequest
from jobyard.client.joins import converted, joined, library_of, taken
from jobyard.client.libraries import needed, translated

SORTS = ("row", "probability")
IMAGE = "image"


def check_sort(sort: str | None) -> None:
    """Raises BadRequest for one that there is not."""
    if sort is not None and not (isinstance(sort, str) and sort in SORTS):
        raise BadRequest(f"sort: is {sort!r:.50}; should be row or probability")


def table_of(
    file: Path,
    *,
    label: str | None,
    sort: str | None,
    given: Any,
    called: Mapping[str, str],
    library: str,
    purpose: str,
) -> Any:
    """A frame of `library` with the columns row, image, label, probability, error and those of the classes.

    `called` is what pictures were given as, by their names on the server. Of `given`, a series of paths, the
    column and index take the place of `row` and `image`.
    """
    needed(library, purpose)
    is_polars = library == "polars" and library_of(given) in (None, "polars")
    with translated(f"{purpose}: the predictions can't be read"):
        table = _read(file, purpose, is_polars=is_polars)
        choice = Choice(label, "probability" if sort == "probability" else None)
        choose = in_polars if is_polars else in_pyarrow
        rows = None if choice == ALL else choose(table, choice, purpose)
        if given is None:
            table = with_names(taken(table, rows), called)
        else:
            kept = [name for name in _names(table) if name not in ("row", IMAGE)]
            table = joined(given, table.select(kept), rows, IMAGE)
    return converted(table, library, purpose, given)


def _read(file: Path, purpose: str, *, is_polars: bool) -> Any:
    if is_polars:
        return needed("polars", purpose).read_parquet(file)
    with needed("pyarrow.parquet", purpose).ParquetFile(file) as opened:
        return opened.read()


def _names(table: Any) -> list[str]:
    return list(table.column_names if hasattr(table, "column_names") else table.columns)


def with_names(table: Any, called: Mapping[str, str]) -> Any:
    """A table of PyArrow or polars with what was given in place of the server's names."""
    if not called:
        return table
    if hasattr(table, "column_names"):
        arrow = needed("pyarrow", "to_arrow()")
        names = [called.get(name, name) for name in table.column(IMAGE).to_pylist()]
        return table.set_column(table.column_names.index(IMAGE), IMAGE, arrow.array(names, arrow.string()))
    polars = needed("polars", "to_polars()")
    names = [called.get(name, name) for name in table[IMAGE].to_list()]
    return table.with_columns(polars.Series(IMAGE, names, polars.String))
