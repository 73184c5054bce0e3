"""Parquet files of one schema are put together without being read."""

import contextlib
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.workers.sentiment.tables.joining import Joiner
from jobyard.workers.sentiment.tables.thrift import (
    BINARY,
    BYTE,
    DOUBLE,
    I16,
    I32,
    I64,
    LIST,
    STRUCT,
    TRUE,
    Field,
    Reader,
    write_struct,
)


def table(start: int, rows: int) -> pa.Table:
    numbers = list(range(start, start + rows))
    few = {f"column {column}": [f"{number % 7}" for number in numbers] for column in range(20)}
    return pa.table({"number": numbers, "lists": [[number, None] for number in numbers], **few})


def written(content: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(content, file, row_group_size=30, **options)
    return file.getvalue()


def joined(parts: list[bytes]) -> bytes:
    file = io.BytesIO()
    joiner = Joiner(file)
    for part in parts:
        joiner.append(io.BytesIO(part + b"more"), len(part))
    joiner.finish()
    return file.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zstd", "use_dictionary": False},
        {"write_page_index": True, "data_page_version": "2.0", "write_statistics": False},
    ],
)
def test_joined_files_have_the_rows_of_all(options: dict[str, Any]) -> None:
    tables = [table(0, 100), table(100, 1), table(101, 65), table(0, 1).slice(1)]
    content = joined([written(one, **options) for one in tables])
    assert pq.read_table(pa.BufferReader(content)) == pa.concat_tables(tables)
    file = pq.ParquetFile(pa.BufferReader(content))
    assert file.metadata.num_rows == 166
    assert file.read_row_group(5)["number"].to_pylist() == list(range(101, 131))


def test_a_file_that_is_joined_alone_is_the_same_file() -> None:
    content = written(table(0, 50))
    assert pq.read_table(pa.BufferReader(joined([content]))) == table(0, 50)


def test_joined_files_are_read_by_other_readers(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "joined.parquet"
    path.write_bytes(joined([written(table(0, 100)), written(table(100, 100))]))
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT sum(number), count(*) FROM read_parquet(?)", [str(path)]
        ).fetchone()
    assert found == (sum(range(200)), 200)


VALUES = st.deferred(
    lambda: st.one_of(
        st.integers(-(2**63), 2**63 - 1).map(lambda number: Field(I64, number)),
        st.integers(-(2**31), 2**31 - 1).map(lambda number: Field(I32, number)),
        st.integers(-(2**15), 2**15 - 1).map(lambda number: Field(I16, number)),
        st.integers(0, 255).map(lambda number: Field(BYTE, number)),
        st.binary(min_size=8, max_size=8).map(lambda value: Field(DOUBLE, value)),
        st.binary(max_size=20).map(lambda value: Field(BINARY, value)),
        st.booleans().map(lambda value: Field(TRUE if value else TRUE + 1, value)),
        st.lists(st.binary(max_size=5), max_size=20).map(lambda items: Field(LIST, (BINARY, items))),
        STRUCTS.map(lambda fields: Field(STRUCT, fields)),
    )
)
STRUCTS = st.dictionaries(st.integers(1, 200), VALUES, max_size=5)


@given(STRUCTS)
def test_structs_are_read_as_they_were_written(fields: dict[int, Field]) -> None:
    content = write_struct(fields)
    reader = Reader(content)
    assert reader.struct() == fields
    assert reader.at == len(content)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_struct_or_a_clear_error(content: bytes) -> None:
    with contextlib.suppress(ValueError, IndexError):
        Reader(content).struct()
