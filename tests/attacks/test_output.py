"""Small uploads that would become large outputs: refused in one line, and nothing is left of them."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from jobyard import Client, JobFailed
from tests.acceptance.conftest import Stack, until
from tests.attacks.measuring import MIB
from tests.factories import zipped
from tests.pictures import saved


def stored_bytes(stack: Stack) -> int:
    """Of all files that a job leaves, or may leave: not of uploads."""
    folders = [path for path in (stack.home / "storage").iterdir() if path.name != "files"]
    files = [file for folder in [*folders, stack.home / "scratch"] for file in folder.rglob("*")]
    return sum(file.stat().st_size for file in files if file.is_file())


def parquet_of_one_cell(path: Path) -> None:
    """A megabyte that is there once, in a dictionary, and is said to be in each of 300 rows."""
    table = pa.table({"text": ["good"] * 300, "padding": ["x" * 1_000_000] * 300})
    pq.write_table(table, path, compression="zstd")


def gzip_of_one_line(path: Path) -> None:
    path.write_bytes(gzip.compress(b"good\n" * (2 * MIB)) * 30)


@pytest.mark.parametrize("make", [parquet_of_one_cell, gzip_of_one_line])
def test_a_table_that_becomes_hundreds_of_times_its_size_is_refused(
    stack: Stack, client: Client, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "bomb"
    make(path)
    assert path.stat().st_size < MIB
    before = stored_bytes(stack)
    with pytest.raises(JobFailed, match="over 268,435,456 bytes"):
        client.submit("sentiment", {"file": path, "column": "text", "format": "csv"}).wait()
    # A worker deletes what is left after the outcome's commit, of jobs before this one as well.
    until(lambda: stored_bytes(stack) <= before, "nothing is left of it")


def test_what_comes_after_a_picture_is_not_kept(stack: Stack, client: Client, tmp_path: Path) -> None:
    """A zip of some kilobytes made a data set of 160 MB: the zeros after a PNG's end compress well."""
    zeros = bytes(4_000_000)
    pictures = {
        f"{name}/{number}.png": saved(Image.new("RGB", (9, 9), (number, 0, 0))) + zeros
        for name in ("cats", "dogs")
        for number in range(20)
    }
    path = tmp_path / "padded.zip"
    path.write_bytes(zipped(pictures))
    before = stored_bytes(stack)
    done = client.import_pictures("padded", path).wait()
    assert done.result is not None
    assert done.result["pictures"] == 40
    until(lambda: stored_bytes(stack) - before < 40 * 1_000, "only the pictures are kept")
