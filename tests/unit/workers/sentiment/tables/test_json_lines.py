"""JSON lines as programs write them: what JSON lacks, numbers as texts, columns within objects."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared.errors import WorkError
from tests.unit.workers.sentiment.conftest import Desk

FORMATS = ["parquet", "csv", "jsonl"]


@pytest.mark.parametrize("format", FORMATS)
def test_nan_and_infinity_are_null_and_counted(desk: Desk, format: str) -> None:  # noqa: A002
    lines = [
        '{"text": "good", "x": NaN, "y": "NaN"}',
        '{"text": "NaN \\" Infinity", "x": [-Infinity, {"a": Infinity}]}',
        '{"text": NaN, "x": 1.50}',
    ]
    result = desk.score("\n".join(lines), "in.jsonl", format=format)
    assert (result["rows"], result["nulls"], result["skipped"]) == (3, 1, 0)
    assert result["warnings"] == ["NaN and infinity, which JSON has not, became null (4 in all)"]
    found: list[dict[str, Any]] = getattr(desk, format)()
    assert [row["text"] for row in found[:2]] == ["good", 'NaN " Infinity']
    assert found[0]["x"] == ("" if format == "csv" else None)
    assert found[0]["y"] == "NaN"
    if format == "jsonl":
        assert found[1]["x"] == [None, {"a": None}]
        assert b'"x": 1.50' in desk.output.read_bytes()


@pytest.mark.parametrize("format", FORMATS)
def test_halves_of_surrogate_pairs_become_a_replacement_and_are_counted(desk: Desk, format: str) -> None:  # noqa: A002
    lines = [
        r'{"text": "good \ud83d", "a": "\ude00 and \ud83d\ude00 and \\ud83d"}',
        r'{"text": "\uDC00\uD83D", "\ud83d": 1}',
    ]
    result = desk.score("\n".join(lines), "in.jsonl", format=format)
    assert result["warnings"] == [
        "halves of surrogate pairs, which are no characters, became U+FFFD (5 in all)"
    ]
    found: list[dict[str, Any]] = getattr(desk, format)()
    assert [row["text"] for row in found] == ["good \ufffd", "\ufffd\ufffd"]
    assert found[0]["a"] == "\ufffd and 😀 and \\ud83d"


def test_numbers_and_booleans_are_texts(desk: Desk) -> None:
    lines = [
        '{"text": 10}',
        '{"text": true}',
        '{"text": -1.5}',
        '{"text": 12345678901234567890}',
        '{"text": "x"}',
    ]
    assert desk.score("\n".join(lines), "in.jsonl", format="csv")["rows"] == 5
    assert [row["text"] for row in desk.csv()] == ["10", "true", "-1.5", "12345678901234567890", "x"]
    desk.score("\n".join(lines), "in.jsonl", format="jsonl")
    assert [row["text"] for row in desk.jsonl()] == [10, True, -1.5, 12345678901234567890, "x"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_column_may_be_within_objects(desk: Desk, format: str) -> None:  # noqa: A002
    lines = [
        '{"id": 1, "user": {"name": "a", "says": {"text": "good"}}}',
        '{"id": 2, "user": null}',
        '{"id": 3, "user": {"name": "a", "says": {"text": "bad"}}}',
        '{"id": 4, "user.says": {"text": "awful"}}',
    ]
    result = desk.score(
        "\n".join(lines), "in.jsonl", format=format, column="user.says.text", group_by="user.name"
    )
    assert (result["rows"], result["nulls"], result["column"]) == (4, 1, "user.says.text")
    assert result["labels"] == {"positive": 1, "neutral": 0, "negative": 2}
    assert result["groups"] == 2
    found: list[dict[str, Any]] = getattr(desk, format)()
    assert "user.says.text" not in found[0]


def test_a_key_with_points_comes_before_keys_within_keys(desk: Desk) -> None:
    content = '{"a.b": "good", "a": {"b": "bad"}}'
    assert desk.score(content, "in.jsonl", column="a.b")["labels"]["positive"] == 1


def test_a_column_that_is_only_in_late_rows_is_found(desk: Desk) -> None:
    content = '{"a": {}}\n' * 50_000 + '{"a": {"b": "good"}}\n'
    assert desk.score(content, "in.jsonl", column="a.b")["nulls"] == 50_000


def test_a_column_that_is_not_there_is_refused_with_those_within(desk: Desk) -> None:
    with pytest.raises(WorkError) as raised:
        desk.score('{"id": 1, "user": {"name": "a", "text": "b"}}', "in.jsonl", column="user.txt")
    assert raised.value.message == (
        "there is no column 'user.txt'; should be one of 'id', 'user', 'user.name', 'user.text'"
    )


def test_objects_and_arrays_are_no_texts(desk: Desk) -> None:
    lines = ['{"text": "x"}', '{"text": {"a": 1}}', '{"text": ["x"]}']
    result = desk.score("\n".join(lines), "in.jsonl", errors="skip")
    assert (result["rows"], result["skipped"]) == (1, 2)
    assert result["errors"]["first"][0] == {
        "line": 2,
        "error": 'the text is {"a": 1}; should be a string, a number or null',
    }


lines = st.lists(
    st.one_of(
        st.builds(lambda text: json.dumps({"text": text}), st.text(max_size=20) | st.none() | st.integers()),
        st.sampled_from(
            [
                "",
                " ",
                "{}",
                "[]",
                '{"text": NaN}',
                r'{"text": "\ud800"}',
                '{"text": {}}',
                '{"text": "open',
                '{"a": 1e999}',
                "x",
                '{"text": "z\0"}',
            ]
        ),
    ),
    min_size=1,
    max_size=20,
)


@given(lines=lines)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_rows_out_and_rows_reported_are_all_rows(desk: Desk, lines: list[str]) -> None:
    try:
        result = desk.score(
            "\n".join(['{"text": "good"}', *lines]), "in.jsonl", errors="skip", format="jsonl"
        )
    except WorkError as error:
        pytest.fail(error.message)
    assert result["rows"] + result["skipped"] == 1 + sum(bool(line.strip()) for line in lines)
    assert len(desk.jsonl()) == result["rows"]
    assert sum(result["labels"].values()) + result["nulls"] == result["rows"]


def test_no_broken_line_takes_long(desk: Desk) -> None:
    """A quadratic search for NaN would take hours."""
    lines = ['{"text": "good"}', '{"a": NaN, "text": "' + '\\"' * 1_000_000]
    result = desk.score("\n".join(lines), "in.jsonl", errors="skip")
    assert (result["rows"], result["skipped"]) == (1, 1)
