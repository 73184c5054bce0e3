"""Which field of a sentiment job its error is about, so that the job's page offers to change it."""

from typing import Any

import pytest

from jobyard.shared import kinds


@pytest.mark.parametrize(
    ("spec", "error", "field"),
    [
        ({}, "there is no column 'text'; should be one of 'id', 'review'", "column"),
        ({"column": "x"}, "b.csv: there is no column 'x'; should be one of 'id', 'review'", "column"),
        ({"column": 9}, "there is no column 9; should be one of 'id'", "column"),
        ({"group_by": "shop"}, "there is no column 'shop'; should be one of 'id'", "group_by"),
        ({"group_by": 7}, "there is no column 7: the file has no columns", "group_by"),
        (
            {"group_by": "n"},
            "column 'n' is list<int64>; should be strings, to group by",
            "group_by",
        ),
        ({"column": "n"}, "column 'n' is int64; should be strings", "column"),
        ({}, "the file has 2 columns: 'a', 'b'; `column` should say which one has the texts", "column"),
        ({}, "the workbook has 2 sheets with rows: 'a', 'b'; say in `sheet` which is meant", "sheet"),
        ({}, "line 1: byte 3 is not UTF-8; if the file is in another encoding, set `encoding`", "encoding"),
        ({}, "line 9: has 3 fields; should have 2, as in the header", None),
        ({"texts": ["`column`"]}, "the lexicon has no word `column`", None),
        ({}, "the worker was lost", None),
    ],
)
def test_an_error_is_about_the_field_that_would_change_it(
    spec: dict[str, Any], error: str, field: str | None
) -> None:
    assert kinds.find("sentiment").wrong_field(spec, error) == field
