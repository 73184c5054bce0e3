"""Scoring files: what comes in comes out, in order, with scores; what is wrong is named with its line."""

import csv
import io
import json
import tracemalloc
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import Cancelled
from shared.specs import SentimentSpec
from tests.unit.sentiment.conftest import Desk, Notes
from workers.sentiment import files
from workers.sentiment.files import score_file, scored_name

SCORES = ["neg", "neu", "pos", "compound", "label"]


def test_a_csv_keeps_its_rows_and_columns_and_gets_scores(desk: Desk) -> None:
    result = desk.score('id,text,stars\n7,"I love it, ""really""\nso much",5.0\n8,awful,01\n')
    assert desk.parquet() == [
        {
            "id": "7",
            "text": 'I love it, "really"\nso much',
            "stars": "5.0",
            **desk.scorer.score('I love it, "really"\nso much')._asdict(),
            "label": "positive",
        },
        {
            "id": "8",
            "text": "awful",
            "stars": "01",
            **desk.scorer.score("awful")._asdict(),
            "label": "negative",
        },
    ]
    assert result["rows"] == 2
    assert result["nulls"] == 0
    assert result["labels"] == {"positive": 1, "neutral": 0, "negative": 1}
    assert result["file"] == "in.scored.parquet"
    assert (result["format"], result["column"]) == ("parquet", "text")
    assert result["lexicon"] == {"sha256": desk.scorer.sha256}
    assert desk.notes.phases == ["reading", "scoring"]
    assert desk.notes.steps == [(2, 2, "rows")]


def test_mean_and_histogram_are_those_of_the_compound(desk: Desk) -> None:
    texts = ["I love it", "awful", "a table", "great great great great great great great great"]
    result = desk.score("text\n" + "\n".join(texts) + "\n", format="csv")
    compounds = [desk.scorer.score(text).compound for text in texts]
    assert result["mean"] == pytest.approx(sum(compounds) / len(compounds))
    histogram = result["histogram"]
    assert histogram["edges"][0] == -1
    assert histogram["edges"][-1] == 1
    assert len(histogram["edges"]) == 41
    assert len(histogram["counts"]) == 40
    assert sum(histogram["counts"]) == 4
    edges = histogram["edges"]
    for index, count in enumerate(histogram["counts"]):
        inside = [c for c in compounds if edges[index] <= c < edges[index + 1] or (index == 39 and c == 1)]
        assert count == len(inside)


def test_parquet_has_strings_doubles_and_a_label(desk: Desk) -> None:
    desk.score("id,text\n1,good\n")
    schema = pq.read_schema(desk.output)
    assert schema.names == ["id", "text", *SCORES]
    assert schema.types == [pa.string()] * 2 + [pa.float64()] * 4 + [pa.string()]


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_null_missing_and_empty_texts_get_null_scores(desk: Desk, format: str) -> None:  # noqa: A002
    lines = ['{"text": "good"}', '{"text": null}', '{"id": 4}', '{"text": ""}', '{"text": "  "}']
    result = desk.score("\n".join(lines), "in.jsonl", format=format)
    assert (result["rows"], result["nulls"]) == (5, 3)
    assert result["labels"] == {"positive": 1, "neutral": 1, "negative": 0}
    rows: list[dict[str, Any]] = getattr(desk, format)()
    none = "" if format == "csv" else None
    assert [row["compound"] for row in rows[1:4]] == [none] * 3
    assert [row["label"] for row in rows] == ["positive", none, none, none, "neutral"]


def test_a_file_of_nulls_has_no_mean(desk: Desk) -> None:
    result = desk.score("id,text\n1,\n2,\n")
    assert (result["rows"], result["nulls"], result["mean"]) == (2, 2, None)


def test_jsonl_keeps_the_types_of_its_values(desk: Desk) -> None:
    row = {
        "text": "good \u2028 day",
        "n": 12345678901234567890,
        "x": 1.5,
        "ok": True,
        "tags": ["a", {"b": None}],
    }
    desk.score(json.dumps(row) + "\n\n" + json.dumps({"text": "bad", "late": 1}), "in.ndjson", format="jsonl")
    first, second = desk.jsonl()
    assert {key: first[key] for key in row} == row
    assert list(second) == ["text", "late", *SCORES]


def test_json_values_are_strings_in_parquet(desk: Desk) -> None:
    desk.score(
        '{"text": "good", "n": 1, "tags": ["ä"]}\n{"text": "bad", "n": null}\n', "in", format="parquet"
    )
    first, second = desk.parquet()
    assert (first["n"], first["tags"]) == ("1", '["ä"]')
    assert (second["n"], second["tags"]) == (None, None)


@pytest.mark.parametrize("name", ["in.txt", "in", "in.log"])
def test_plain_lines_are_rows_of_one_column(desk: Desk, name: str) -> None:
    result = desk.score("good, day\r\n\nbad \x85\u2028 day", name)
    assert [row["text"] for row in desk.parquet()] == ["good, day", "", "bad \x85\u2028 day"]
    assert (result["rows"], result["nulls"], result["column"]) == (3, 1, "text")


def test_tsv_is_told_by_its_name(desk: Desk) -> None:
    desk.score("id\ttext\n1\tgood, day\n", "in.tsv")
    assert desk.parquet()[0]["text"] == "good, day"


def test_a_byte_order_mark_is_no_part_of_the_first_name(desk: Desk) -> None:
    assert desk.score(b"\xef\xbb\xbftext,id\ngood,1\n")["column"] == "text"


def test_the_only_column_is_taken_whatever_its_name(desk: Desk) -> None:
    assert desk.score("review\ngood\n")["column"] == "review"


def test_a_column_that_is_asked_for_is_taken(desk: Desk) -> None:
    assert desk.score("text,title\nbad,good\n", column="title")["labels"]["positive"] == 1


def test_a_file_of_unknown_name_with_a_column_is_csv(desk: Desk) -> None:
    assert desk.score("id,title\n1,good\n", "upload", column="title")["rows"] == 1


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_columns_called_like_ours_are_kept_under_another_name(desk: Desk, format: str) -> None:  # noqa: A002
    desk.score("text,label,label_original,pos\ngood,mine,older,x\n", format=format)
    (row,) = getattr(desk, format)()
    assert row["label"] == "positive"
    assert row["label_original_original"] == "mine"
    assert row["label_original"] == "older"
    assert row["pos_original"] == "x"


def test_the_scored_file_of_a_scored_file_is_the_same_once_more(desk: Desk) -> None:
    desk.score("text\ngood\n", format="csv")
    desk.score(desk.output.read_bytes(), format="csv")
    (row,) = desk.csv()
    assert row["compound"] == row["compound_original"]


@given(
    rows=st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))] * 2),
        min_size=1,
        max_size=5,
    ),
    format=st.sampled_from(["parquet", "csv", "jsonl"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_csv_comes_back_unchanged_with_nltks_scores(
    desk: Desk,
    rows: list[tuple[str, str]],
    format: str,  # noqa: A002
) -> None:
    source = io.StringIO(newline="")
    writer = csv.writer(source, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "other"), *rows])
    desk.score(source.getvalue(), format=format)
    scored: list[dict[str, Any]] = getattr(desk, format)()
    assert [(row["text"], row["other"]) for row in scored] == rows
    for row in scored:
        if row["text"]:
            assert float(row["compound"]) == desk.scorer.score(row["text"]).compound


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_many_chunks_keep_every_row_in_order(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    format: str,  # noqa: A002
) -> None:
    monkeypatch.setattr(files, "CHUNK_ROWS", 7)
    result = desk.score("id,text\n" + "".join(f"{n},good\n" for n in range(100)), format=format)
    assert result["rows"] == 100
    assert [row["id"] for row in getattr(desk, format)()] == [str(n) for n in range(100)]
    assert [step[0] for step in desk.notes.steps] == [*range(7, 100, 7), 100]
    assert {step[1:] for step in desk.notes.steps} == {(100, "rows")}


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_memory_does_not_grow_with_the_file(desk: Desk, format: str) -> None:  # noqa: A002
    source = desk.folder / "large.csv"
    source.write_text("text,pad\n" + f"good,{'x' * 5_000}\n" * 4_000)
    spec = SentimentSpec.model_validate({"file": uuid4(), "format": format})
    tracemalloc.start()
    score_file(spec, source, source.name, desk.output, desk.scorer, desk.notes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < source.stat().st_size / 4


def test_a_field_longer_than_csvs_own_limit_is_read(desk: Desk) -> None:
    assert desk.score(f"id,text\n{'x' * 200_000},good\n")["rows"] == 1


def test_a_cancel_leaves_no_output(desk: Desk) -> None:
    class Impatient(Notes):
        def progress(self, done: int, total: int | None, unit: str) -> None:
            raise Cancelled

    desk.notes = Impatient()
    with pytest.raises(Cancelled):
        desk.score("text\ngood\n")
    assert not desk.output.exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("reviews.csv", "reviews.scored.parquet"),
        ("../../etc/pass wd.csv", "pass_wd.scored.parquet"),
        ("C:\\Users\\me\\Überblick.csv", "Uberblick.scored.parquet"),
        ("отзывы.csv", "texts.scored.parquet"),
        ("", "texts.scored.parquet"),
        ("..", "texts.scored.parquet"),
        (".hidden", "hidden.scored.parquet"),
    ],
)
def test_the_scored_file_is_named_after_the_upload(name: str, expected: str) -> None:
    assert scored_name(name, "parquet") == expected


@given(st.text())
def test_the_scored_files_name_is_always_harmless(name: str) -> None:
    assert set(scored_name(name, "csv")) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
    )
    assert len(scored_name(name, "csv")) < 100
    assert not scored_name(name, "csv").startswith(".")
