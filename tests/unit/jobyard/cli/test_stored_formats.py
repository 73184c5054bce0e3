"""What is scored and saved as another format is stored as Parquet where the saved file stays the same."""

from pathlib import Path

import pytest

from jobyard.cli import stored_formats
from jobyard.cli.stored_formats import stored_format


@pytest.mark.parametrize(
    ("format_", "source", "stored"),
    [
        ("csv", "a.csv", "parquet"),
        ("csv", "a.JSON.gz", "parquet"),
        ("csv", "stdin", "parquet"),
        ("csv", "a.snappy.PARQUET", "csv"),
        ("csv", "s3://bucket/a.parquet", "csv"),
        ("csv", "https://example.org/a.csv?name=b.parquet", "parquet"),
        ("jsonl", "a.tsv.gz", "parquet"),
        ("jsonl", "v1.5/a.xlsx", "parquet"),
        ("jsonl", "a.jsonl", "jsonl"),
        ("jsonl", "a.csv.json", "jsonl"),
        ("jsonl", "a.zip", "jsonl"),
        ("jsonl", "stdin", "jsonl"),
        ("xlsx", "a.parquet", "parquet"),
        ("parquet", "a.csv", "parquet"),
        (None, "a.csv", None),
    ],
)
def test_by_the_names_of_the_sources(
    format_: str, source: str, stored: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert stored_format(format_, [source]) == stored
    path = tmp_path / Path(source).name.partition("?")[0]
    path.write_bytes(b"text\n")
    assert stored_format(format_, [path]) == stored


def test_what_takes_long_to_convert_is_stored_as_it_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_formats, "MAX_BYTES", 9)
    files: list[Path | str] = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for file in files:
        Path(file).write_bytes(b"text\n")
    assert stored_format("csv", files[:1]) == "parquet"
    assert stored_format("csv", files) == "csv"
    assert stored_format("xlsx", files) == "parquet"
