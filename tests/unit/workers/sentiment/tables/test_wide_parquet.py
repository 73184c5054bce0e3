"""Parquet whose columns are small one by one, and large together."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.sentiment.tables import pages
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.parquet import ParquetTable
from jobyard.workers.sentiment.tables.window import Part


def rows_at_once(path: Path, columns: int, cell: str, rows: int) -> int:
    """How many rows of a file are read at once whose columns refer to one long cell again and again."""
    pq.write_table(pa.table({f"c{column}": [cell] * rows for column in range(columns)}), path)
    with path.open("rb") as stream:
        table = ParquetTable([])
        table.begin(stream, Part(0, path.stat().st_size, 0), Broken(skip=False), NoProgress())
        return table.check(stream, "c0", 1 << 40, NoProgress())


def test_a_batch_is_bounded_for_all_columns_together(tmp_path: Path) -> None:
    one = rows_at_once(tmp_path / "one", 1, "x" * 10_000, 4_000)
    many = rows_at_once(tmp_path / "many", 40, "x" * 10_000, 4_000)
    assert one * 10_000 <= pages.BATCH_BYTES
    assert 40 * many * 10_000 <= pages.MAX_BATCH < 40 * one * 10_000


def test_dictionaries_that_are_needed_at_once_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MAX_HELD", 3_000_000)
    assert rows_at_once(tmp_path / "few", 2, "x" * 1_000_000, 2) == 2
    with pytest.raises(WorkError, match=r"pages of over 3,000,000 bytes that are needed at once"):
        rows_at_once(tmp_path / "many", 4, "x" * 1_000_000, 2)
