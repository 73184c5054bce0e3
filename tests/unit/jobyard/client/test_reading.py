"""How a file was read is said in words, on pages and in a terminal alike."""

from typing import Any

import pytest

from jobyard.client.reading import place, words

TABLE = {"format": "csv", "delimiter": ",", "quote": "double", "header": "yes"}


@pytest.mark.parametrize(
    ("read_as", "said"),
    [
        (TABLE, "csv, separated by commas, quote double, header yes"),
        (TABLE | {"delimiter": "~"}, "csv, separated by '~', quote double, header yes"),
        (TABLE | {"delimiter": " "}, "csv, separated by spaces, quote double, header yes"),
        (TABLE | {"sheet": "2024", "skip_lines": 2}, "workbook, header yes, sheet 2024, skip lines 2"),
        ({"format": "jsonl", "numbered": "row"}, "jsonl"),
        ({"format": "csv, jsonl", "files": [TABLE]}, "csv, jsonl"),
        ({"format": "lines", "delimiter": None}, "lines"),
        ({}, ""),
    ],
)
def test_how_a_file_was_read_is_said(read_as: dict[str, Any], said: str) -> None:
    assert words(read_as) == said


SEVERAL = {
    "format": "csv, json",
    "files": [{"name": "a.csv", "format": "csv"}, {"name": "b.json", "format": "json", "numbered": "row"}],
}


@pytest.mark.parametrize(
    ("read_as", "source", "said"),
    [
        ({}, None, "line 1,203"),  # of a version that didn't say
        (TABLE, None, "line 1,203"),
        ({"format": "parquet", "numbered": "row"}, None, "row 1,203"),
        (SEVERAL, "a.csv", "a.csv, line 1,203"),
        (SEVERAL, "b.json", "b.json, row 1,203"),
    ],
)
def test_a_broken_row_is_said_by_what_is_counted(
    read_as: dict[str, Any], source: str | None, said: str
) -> None:
    found = {"line": 1_203, "error": "is no text"} | ({} if source is None else {"source": source})
    assert place(read_as, found) == said
