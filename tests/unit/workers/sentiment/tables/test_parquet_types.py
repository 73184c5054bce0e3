"""Parquet of all types: what can be a text is one, and what the source says of its columns is kept."""

import io
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobyard.shared.errors import WorkError
from jobyard.workers.sentiment.tables import parquet as reader
from tests.unit.workers.sentiment.conftest import Desk

TEXTS = ["good", 'a "bad" day', None, "", "grün 😂"]
FORMATS = ["parquet", "csv", "jsonl"]


def parquet(table: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def texts_of(kind: Any) -> Any:
    return pa.array(TEXTS).cast(kind)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "texts",
    [
        texts_of(pa.large_string()),
        texts_of(pa.string_view()),
        texts_of(pa.binary()),
        texts_of(pa.large_binary()),
        texts_of(pa.binary_view()),
        texts_of(pa.string()).dictionary_encode(),
        texts_of(pa.large_string()).dictionary_encode(),
        texts_of(pa.binary()).dictionary_encode(),
        pa.array(TEXTS, pa.json_()),
    ],
    ids=lambda array: str(array.type).replace("<", " ").replace(">", ""),
)
def test_texts_of_any_type_are_scored(desk: Desk, texts: Any, format: str) -> None:  # noqa: A002
    result = desk.score(parquet(pa.table({"text": texts})), "in.parquet", format=format)
    assert (result["rows"], result["nulls"]) == (5, 2)
    none = "" if format == "csv" else None
    expected = [desk.scorer.score(text).compound if text else none for text in TEXTS]
    found: list[dict[str, Any]] = getattr(desk, format)()
    if format == "csv":
        expected = [str(one) for one in expected]
    assert [row["compound"] for row in found] == expected
    shown = [row["text"].decode() if isinstance(row["text"], bytes) else row["text"] for row in found]
    assert shown == ["" if format == "csv" and text is None else text for text in TEXTS]
    if format == "parquet":
        assert (
            pq.read_schema(desk.output).field("text").type
            == pq.read_schema(desk.folder / "source").field(0).type
        )


@pytest.mark.parametrize("format", FORMATS)
def test_columns_of_one_name_or_without_one_are_told_apart(desk: Desk, format: str) -> None:  # noqa: A002
    arrays = [pa.array([1, 2]), pa.array([3, 4]), pa.array(["x", "y"]), pa.array(["good", "bad"])]
    table = pa.Table.from_arrays(arrays, names=["id", "id", "", "text"])
    result = desk.score(parquet(table), "in.parquet", format=format)
    assert result["warnings"] == [
        "column 'Unnamed: 2' has no name in the file",
        "column 'id.1' has the name of an earlier column in the file",
    ]
    found: list[dict[str, Any]] = getattr(desk, format)()
    assert [[str(row[name]) for name in ("id", "id.1", "Unnamed: 2", "text")] for row in found] == [
        ["1", "3", "x", "good"],
        ["2", "4", "y", "bad"],
    ]
    assert [float(row["compound"]) > 0 for row in found] == [True, False]


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_a_struct_with_fields_of_one_name_has_no_form_in_text(desk: Desk, format: str) -> None:  # noqa: A002
    struct = pa.StructArray.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["a", "a"])
    content = parquet(pa.table({"text": ["good"], "s": struct}))
    with pytest.raises(WorkError, match="can't be written as JSON or CSV; `format` should be parquet"):
        desk.score(content, "in.parquet", format=format)
    assert desk.score(content, "in.parquet")["rows"] == 1


def test_bytes_that_are_no_texts_are_no_groups(desk: Desk) -> None:
    content = parquet(pa.table({"text": ["good"], "b": [b"\xff"]}))
    with pytest.raises(WorkError, match="column 'b' is binary; should be strings or numbers, to group by"):
        desk.score(content, "in.parquet", group_by="b")


@pytest.mark.parametrize("levels", [["int64"], ["unicode", "unicode"], ["unicode"], []])
def test_pandas_is_not_told_that_our_columns_are_called_by_numbers(desk: Desk, levels: list[str]) -> None:
    told = {"index_columns": ["i"], "column_indexes": [{"pandas_type": level} for level in levels]}
    table = pa.table({"text": ["good"], "i": [1]}).replace_schema_metadata({"pandas": json.dumps(told)})
    desk.score(parquet(table), "in.parquet")
    found = json.loads(pq.read_schema(desk.output).metadata[b"pandas"])
    assert found == told | ({} if levels == ["unicode"] else {"column_indexes": []})


def test_a_column_of_nothing_but_nulls_is_one_of_texts(desk: Desk) -> None:
    result = desk.score(parquet(pa.table({"text": pa.nulls(3)})), "in.parquet")
    assert (result["rows"], result["nulls"]) == (3, 3)


def test_bytes_that_are_no_texts_are_reported(desk: Desk) -> None:
    content = parquet(pa.table({"text": pa.array([b"good", b"b\xe4d", None])}))
    with pytest.raises(WorkError, match="row 2: is not UTF-8"):
        desk.score(content, "in.parquet")
    result = desk.score(content, "in.parquet", errors="skip")
    assert (result["rows"], result["skipped"]) == (2, 1)


def test_json_s_strings_are_what_they_stand_for(desk: Desk) -> None:
    json_texts = ['"so\\ngood"', "bad day", "null", None, '{"a": "b"}', "[1]"]
    result = desk.score(
        parquet(pa.table({"text": pa.array(json_texts, pa.json_())})), "in.parquet", errors="skip"
    )
    assert (result["rows"], result["nulls"], result["skipped"]) == (4, 2, 2)
    assert [row["compound"] for row in desk.parquet()[:2]] == [
        desk.scorer.score(text).compound for text in ("so\ngood", "bad day")
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_a_column_may_be_within_structs(desk: Desk, format: str) -> None:  # noqa: A002
    users = [{"name": "a", "says": {"text": "good"}}, None, {"name": "b", "says": None}]
    result = desk.score(
        parquet(pa.table({"user": users})),
        "in.parquet",
        column="user.says.text",
        group_by="user.name",
        format=format,
    )
    assert (result["rows"], result["nulls"], result["groups"]) == (3, 2, 3)
    found: list[dict[str, Any]] = getattr(desk, format)()
    assert list(found[0]) == ["user", "neg", "neu", "pos", "compound", "label"]


def test_a_column_that_is_not_there_is_refused_with_those_within(desk: Desk) -> None:
    content = parquet(pa.table({"user": [{"name": "a", "tags": ["x"]}]}))
    with pytest.raises(
        WorkError, match=r"no column 'user.text'; should be one of 'user', 'user.name', 'user.tags'"
    ):
        desk.score(content, "in.parquet", column="user.text")
    with pytest.raises(WorkError, match=r"column 'user.tags' is list<element: string>; should be strings"):
        desk.score(content, "in.parquet", column="user.tags")


def test_what_the_source_says_of_its_columns_is_kept(desk: Desk) -> None:
    pandas = json.dumps({"index_columns": ["key"], "columns": []})
    schema = pa.schema(
        [
            pa.field("text", pa.string(), nullable=False, metadata={"PARQUET:field_id": "7", "note": "x"}),
            pa.field("key", pa.int64(), metadata={"PARQUET:field_id": "9"}),
        ],
        {"pandas": pandas, "ours": "kept"},
    )
    desk.score(parquet(pa.table({"text": ["good"], "key": [1]}, schema)), "in.parquet")
    found = pq.read_schema(desk.output)
    assert found.metadata[b"ours"] == b"kept"
    assert json.loads(found.metadata[b"pandas"])["index_columns"] == ["key"]
    assert not found.field("text").nullable
    assert found.field("key").nullable
    assert [found.field(name).metadata[b"PARQUET:field_id"] for name in ("text", "key")] == [b"7", b"9"]
    assert found.field("text").metadata[b"note"] == b"x"


def test_no_row_groups_are_no_rows(desk: Desk) -> None:
    file = io.BytesIO()
    pq.ParquetWriter(file, pa.schema([("text", pa.string())])).close()
    assert pq.ParquetFile(io.BytesIO(file.getvalue())).num_row_groups == 0
    result = desk.score(file.getvalue(), "in.parquet")
    assert result["rows"] == 0
    assert pq.read_schema(desk.output).names[0] == "text"


@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize(
    "array",
    [
        pa.array([1], pa.timestamp("ns", "Europe/Paris")),
        pa.array([[1]], pa.list_(pa.timestamp("ns"))),
        pa.array([{"a": 1}], pa.struct([("a", pa.timestamp("ns"))])),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.timestamp("ns"))),
        pa.array([2**40], pa.timestamp("s")),
        pa.array([1], pa.duration("ns")),
    ],
    ids=lambda array: str(array.type).replace("<", " ").replace(">", ""),
)
def test_times_that_python_can_not_hold_are_written(desk: Desk, array: Any, format: str) -> None:  # noqa: A002
    assert (
        desk.score(parquet(pa.table({"text": ["good"], "at": array})), "in.parquet", format=format)["rows"]
        == 1
    )


def test_times_are_written_to_the_nanosecond(desk: Desk) -> None:
    at = pa.array([datetime(2024, 1, 2, 3, 4, 5, 6, UTC).timestamp() * 10**9 + 7], pa.float64()).cast(
        pa.int64()
    )
    desk.score(
        parquet(pa.table({"text": ["x"], "at": at.cast(pa.timestamp("ns"))})), "in.parquet", format="csv"
    )
    assert desk.csv()[0]["at"].startswith("2024-01-02 03:04:05.00000")


def test_a_text_that_is_too_long_is_a_broken_row(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_LINE", 4)
    content = parquet(pa.table({"text": ["good", "awful", None, "bad"]}))
    result = desk.score(content, "in.parquet", errors="skip")
    assert (result["rows"], result["nulls"], result["skipped"]) == (3, 1, 1)
    (found,) = result["errors"]["first"]
    assert found["line"] == 2
    assert found["error"].startswith("the text is longer than ")
