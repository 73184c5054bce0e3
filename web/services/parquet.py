"""A table as a Parquet file, by DuckDB, which may open nothing but what lies in its own folder."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import duckdb

from jobyard.shared.texts import storable
from jobyard.web.services.scored_table import LOCKED_DOWN


def write(columns: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> IO[bytes]:
    """The file, open; it is gone when it is closed. `columns` has the types in SQL by name."""
    with tempfile.TemporaryDirectory(prefix="jobyard-") as temporary:
        folder = Path(temporary)
        lines, target = folder / "rows.jsonl", folder / "table.parquet"
        # By their places, so that it doesn't matter how they are called.
        places = [f"c{place}" for place in range(len(columns))]
        with lines.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(dict(zip(places, row, strict=True))) + "\n")
        types = ", ".join(f"{place}: '{kind}'" for place, kind in zip(places, columns.values(), strict=True))
        named = ", ".join(
            f"{place} AS {_name(column)}" for place, column in zip(places, columns, strict=True)
        )
        source = f"read_ndjson({_text(lines)}, columns={{{types}}})"
        with duckdb.connect(":memory:", config=LOCKED_DOWN) as connection:
            connection.execute(f"SET allowed_directories = [{_text(folder)}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            connection.execute(f"COPY (SELECT {named} FROM {source}) TO {_text(target)} (FORMAT parquet)")  # noqa: S608
        return target.open("rb")


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _name(column: str) -> str:
    return '"' + storable(column).replace('"', '""') + '"'
