"""Saved predictions with other names of pictures: those that they were given by."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from jobyard.client.formulas import escaped
from jobyard.client.libraries import installed, needed, translated
from jobyard.client.prediction_tables import IMAGE, with_names

PURPOSE = "save_predictions() of Parquet with the names that were given"


def check_renamed(kind: str) -> None:
    """Raises JobyardClientError where the names in such a file can't be changed."""
    if kind == "parquet" and installed("polars") is None:
        needed("pyarrow", PURPOSE)


def rename(file: Path, kind: str, called: Mapping[str, str], *, is_escaped: bool) -> None:
    """Change the names of pictures in a CSV or Parquet file. Raises JobyardClientError, and OSError."""
    if kind == "parquet":
        with translated(f"path: {file} can't be written with the names that were given"):
            _write_parquet(with_names(_parquet(file.read_bytes()), called), file)
        return
    rows = io.StringIO(file.read_bytes().decode(), newline="")
    with file.open("w", encoding="utf-8", newline="") as target:
        write_renamed(rows, target, lambda name: called.get(name, name), is_escaped=is_escaped)


def write_renamed(
    source: Iterable[str], target: IO[str], called: Callable[[str], str], *, is_escaped: bool
) -> None:
    """Write the server's CSV with other names of pictures; formulas are escaped only now if `is_escaped`."""
    rows = csv.reader(source)
    writer = csv.writer(target)
    header = next(rows)
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
