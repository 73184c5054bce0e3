"""What a spreadsheet would run as a formula gets an apostrophe where that is asked for; numbers stay."""

import csv
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from jobyard.client.formulas import escaped
from jobyard.shared.kinds.sentiment import SentimentSpec
from tests.unit.workers.sentiment.conftest import Desk

FORMULAS = [
    "=1+2",
    "=cmd|' /C calc'!A0",
    "+1+2",
    "-1+2",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1,2)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=",
    "-",
    "+",
    "-.",
    "-1e",
    "-1e+",
    "-1.2.3",
    "- 1",
    '="a ""quote"" and, a comma"',
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff201",
]
HARMLESS = [
    "-0.5",
    "+3",
    "-1e5",
    "-1.5E-10",
    "-.5",
    "-5.",
    "0.5",
    "good",
    "1=1",
    "a-b",
    "'=1",
    "",
    "\uff11",
    " =1",
]


def table(*texts: str) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerows([["text", "=name"], *([text, "x"] for text in texts)])
    return file.getvalue()


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_escaped(desk: Desk, text: str) -> None:
    desk.score(table(text), format="csv", escape_formulas=True)
    assert desk.csv()[0]["text"] == f"'{text}"
    assert escaped(text) == f"'{text}"


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_and_numbers_stay(desk: Desk, text: str) -> None:
    desk.score(table(text, "good"), format="csv", escape_formulas=True)
    assert desk.csv()[0]["text"] == text
    assert escaped(text) == text


def test_without_the_option_every_text_is_exact(desk: Desk) -> None:
    desk.score(table(*FORMULAS), format="csv")
    assert [row["text"] for row in desk.csv()] == FORMULAS
    assert "=name" in desk.csv()[0]


def test_names_of_columns_are_escaped_and_scores_are_not(desk: Desk) -> None:
    desk.score(table("bad"), format="csv", escape_formulas=True)
    row = desk.csv()[0]
    assert "'=name" in row
    assert float(row["compound"]) < 0


@pytest.mark.parametrize("name", ["in.jsonl", "in.parquet"])
def test_it_is_so_from_other_formats(desk: Desk, name: str) -> None:
    """Also where parts have different columns; numbers of Parquet are numbers, whatever they are."""
    content: Any = b'{"text": "=1", "a": "+x"}\n{"text": "good", "b": "@x"}\n'
    if name == "in.parquet":
        file = io.BytesIO()
        columns = {"text": ["=1", "good"], "a": ["+x", None], "b": [None, "@x"], "n": [-1, -2]}
        pq.write_table(pa.table(columns | {"f": [-0.5, float("-inf")]}), file)
        content = file.getvalue()
    desk.score(content, name, format="csv", escape_formulas=True)
    first, second = desk.csv()
    assert (first["text"], first["a"], second["b"]) == ("'=1", "'+x", "'@x")
    if name == "in.parquet":
        assert [(row["n"], row["f"]) for row in (first, second)] == [("-1", "-0.5"), ("-2", "-inf")]


def test_it_is_for_csv_only() -> None:
    with pytest.raises(ValidationError, match="escape_formulas should only be given with format csv"):
        SentimentSpec(file="00000000-0000-0000-0000-000000000000", escape_formulas=True)
    with pytest.raises(ValidationError, match="escape_formulas should only be given with file"):
        SentimentSpec(texts=["one"], escape_formulas=True)
