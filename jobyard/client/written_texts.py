"""Texts as a file that is uploaded: Parquet where PyArrow or polars can write it, else JSON on lines.

Both hold nulls exactly. A file is written a batch of rows at a time, whatever the texts come from.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from jobyard.client.errors import JobyardClientError
from jobyard.client.libraries import installed

BATCH_ROWS = 20_000
# Of a batch, where texts are long; it is looked at after so many rows.
BATCH_CHARACTERS = 20_000_000
LOOK_ROWS = 500
# polars writes a table that it holds as a whole.
POLARS_ROWS = 5_000_000

Columns = Mapping[str, Iterable[str | None]]
Row = tuple[str | None, ...]


def write_texts(columns: Columns, folder: Path, name: str, *, rows: int | None = None) -> Path:
    """The file in `folder`, called `name` with the suffix of its format.

    The columns are equally long; `rows` is how long, if that is known. Raises JobyardClientError where it
    can't be written, and what reading the columns raises.
    """
    names, found = list(columns), zip(*columns.values(), strict=True)
    write: Callable[[list[str], Iterator[Row], Path], None]
    if installed("pyarrow") is not None:
        target, write = folder / f"{name}.parquet", _with_pyarrow
    elif installed("polars") is not None and rows is not None and rows <= POLARS_ROWS:
        target, write = folder / f"{name}.parquet", _with_polars
    else:
        target, write = folder / f"{name}.jsonl", _as_lines
    try:
        write(names, found, target)
    except OSError as error:
        raise JobyardClientError(
            f"the texts can't be written to {folder.parent}: {error.strerror or error}; set TMPDIR to a "
            "folder of another disk"
        ) from None
    return target


def _with_pyarrow(names: list[str], rows: Iterator[Row], target: Path) -> None:
    arrow: Any = installed("pyarrow")
    parquet: Any = installed("pyarrow.parquet")
    schema = arrow.schema([(name, arrow.string()) for name in names])
    with parquet.ParquetWriter(target, schema, compression="zstd", compression_level=1) as writer:
        for batch in _batches(rows):
            writer.write_batch(
                arrow.record_batch([arrow.array(one, arrow.string()) for one in batch], schema=schema)
            )


def _with_polars(names: list[str], rows: Iterator[Row], target: Path) -> None:
    polars: Any = installed("polars")
    schema = dict.fromkeys(names, polars.String)
    parts = [
        polars.DataFrame(dict(zip(names, batch, strict=True)), schema=schema) for batch in _batches(rows)
    ]
    polars.concat(parts or [polars.DataFrame(schema=schema)]).write_parquet(target)


def _as_lines(names: list[str], rows: Iterator[Row], target: Path) -> None:
    with target.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n")


def _batches(rows: Iterator[Row]) -> Iterator[list[tuple[str | None, ...]]]:
    """Rows as columns, of at most about so many rows and characters."""
    batch: list[Row] = []
    size = 0
    while few := list(islice(rows, LOOK_ROWS)):
        batch += few
        size += sum(map(len, filter(None, chain.from_iterable(few))))
        if len(batch) >= BATCH_ROWS or size >= BATCH_CHARACTERS:
            yield list(zip(*batch, strict=True))
            batch, size = [], 0
    if batch:
        yield list(zip(*batch, strict=True))
