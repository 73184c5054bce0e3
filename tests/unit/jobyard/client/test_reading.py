"""How a file was read is said in words, on pages and in a terminal alike."""

from typing import Any

import pytest

from jobyard.client.reading import words

TABLE = {"format": "csv", "delimiter": ",", "quote": "double", "header": "yes"}


@pytest.mark.parametrize(
    ("read_as", "said"),
    [
        (TABLE, "csv, separated by commas, quote double, header yes"),
        (TABLE | {"delimiter": "~"}, "csv, separated by '~', quote double, header yes"),
        (TABLE | {"sheet": "2024", "skip_lines": 2}, "workbook, header yes, sheet 2024, skip lines 2"),
        ({"format": "jsonl", "numbered": "row"}, "jsonl, numbered row"),
        ({"format": "csv, jsonl", "files": [TABLE]}, "csv, jsonl"),
        ({"format": "lines", "delimiter": None}, "lines"),
        ({}, ""),
    ],
)
def test_how_a_file_was_read_is_said(read_as: dict[str, Any], said: str) -> None:
    assert words(read_as) == said
