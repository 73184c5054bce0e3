"""What is scored and saved as another format is stored as Parquet where the saved file stays the same."""

import gzip
from pathlib import Path

import pytest

from jobyard.cli import stored_formats
from jobyard.cli.stored_formats import stored_format

TABLE = b"text\nfine\n"
OBJECT = b'\n{"text": "fine", "n": 1}\n'
PARQUET = b"PAR1 and more"
ZIP = b"PK\x03\x04 and more"
# Without the time: each process of a parallel run has to collect the same cases.
GZIP = gzip.compress(TABLE, mtime=0)


@pytest.mark.parametrize(
    ("format_", "name", "content", "stored"),
    [
        ("csv", "a.csv", TABLE, "parquet"),
        ("csv", "stdin", TABLE, "parquet"),
        ("csv", "a.jsonl", OBJECT, "parquet"),
        ("csv", "part-00000", PARQUET, "csv"),
        ("csv", "a.csv", PARQUET, "csv"),
        ("csv", "a.zip", ZIP, "csv"),
        ("csv", "a.csv.gz", GZIP, "csv"),
        ("csv", "stdin", "text\nfine\n".encode("utf-16"), "csv"),
        ("csv", "a.xlsx", ZIP, "parquet"),
        ("jsonl", "v1.5.tsv", TABLE, "parquet"),
        ("jsonl", "a.XLSX", ZIP, "parquet"),
        ("jsonl", "a.jsonl", TABLE, "jsonl"),
        ("jsonl", "log.txt", OBJECT, "jsonl"),
        ("jsonl", "a.csv", b"\xef\xbb\xbf" + OBJECT, "jsonl"),
        ("jsonl", "stdin", b"[\n1]", "jsonl"),
        ("xlsx", "a.parquet", PARQUET, "parquet"),
        ("parquet", "a.csv", TABLE, "parquet"),
        (None, "a.csv", TABLE, None),
    ],
)
def test_by_the_contents_of_the_sources(
    format_: str, name: str, content: bytes, stored: str | None, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "table.csv").write_bytes(TABLE)
    assert stored_format(format_, [tmp_path / name]) == stored
    assert stored_format(format_, [tmp_path / "table.csv", tmp_path / name]) == stored


def test_what_the_server_fetches_is_stored_as_it_is_saved(tmp_path: Path) -> None:
    """How large it is, and what is in it, isn't known here."""
    (tmp_path / "a.csv").write_bytes(TABLE)
    for format_, stored in (("csv", "csv"), ("jsonl", "jsonl"), ("xlsx", "parquet")):
        assert stored_format(format_, [tmp_path / "a.csv", "https://example.org/a.csv"]) == stored


def test_what_takes_long_to_convert_is_stored_as_it_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_formats, "MAX_BYTES", 2 * len(TABLE) - 1)
    files: list[Path | str] = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for file in files:
        Path(file).write_bytes(TABLE)
    assert stored_format("csv", files[:1]) == "parquet"
    assert stored_format("csv", files) == "csv"
    assert stored_format("xlsx", files) == "parquet"
