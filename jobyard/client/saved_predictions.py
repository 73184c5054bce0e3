"""Saved predictions with other names of pictures: those that they were given by."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from jobyard.client.errors import JobyardClientError
from jobyard.client.formulas import escaped
from jobyard.client.libraries import installed, needed, translated
from jobyard.client.prediction_tables import IMAGE, with_names

PURPOSE = "save_predictions() of Parquet with the names that were given"


def check_renamed(kind: str) -> None:
    """Raises JobyardClientError where the names in such a file can't be changed."""
    if kind == "parquet" and installed("polars") is None:
        needed("pyarrow", PURPOSE)


def rename(draft: Path, target: Path, kind: str, called: Mapping[str, str], *, is_escaped: bool) -> None:
    """Change the names of pictures in a CSV or Parquet file, which is to become `target`.

    Names that are no UTF-8 are written to CSV as the bytes that they are. Raises JobyardClientError.
    """
    with translated(f"path: {target} can't be written with the names that were given"):
        content = draft.read_bytes()
        if kind == "parquet":
            _write_parquet(with_names(_parquet(content), called), draft)
            return
        rows = io.StringIO(content.decode(), newline="")
        with draft.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            write_renamed(rows, file, lambda name: called.get(name, name), is_escaped=is_escaped)


def write_renamed(
    source: Iterable[str], target: IO[str], called: Callable[[str], str], *, is_escaped: bool
) -> None:
    """Write the server's CSV with other names of pictures; formulas are escaped only now if `is_escaped`.

    Raises JobyardClientError for what is no CSV of predictions, and csv.Error.
    """
    rows = csv.reader(source)
    writer = csv.writer(target)
    header = next(rows, [])
    if IMAGE not in header:  # a proxy's page, say
        raise JobyardClientError(
            f"the server's answer is no table of predictions: it has no column {IMAGE!r}"
        )
    place = header.index(IMAGE)
    writer.writerow(map(escaped, header) if is_escaped else header)
    for row in rows:
        row[place] = called(row[place])
        writer.writerow(map(escaped, row) if is_escaped else row)


def _parquet(content: bytes) -> Any:
    if installed("pyarrow") is None:
        return needed("polars", PURPOSE).read_parquet(content)
    return needed("pyarrow.parquet", PURPOSE).read_table(io.BytesIO(content))


def _write_parquet(table: Any, file: Path) -> None:
    if hasattr(table, "column_names"):
        needed("pyarrow.parquet", PURPOSE).write_table(table, file)
    else:
        table.write_parquet(file)
