"""Scoring files: what comes in comes out, in order, with scores; what is wrong is named with its line."""

import csv
import gzip
import io
import json
import statistics
import tracemalloc
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared.errors import Cancelled
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.sentiment.files import score_file
from jobyard.workers.sentiment.outcome import scored_name
from jobyard.workers.sentiment.tables import table, writers
from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.scorer import Scorer
from tests.reports import NoMetrics
from tests.unit.workers.sentiment.conftest import LIMIT, Desk

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
    assert set(desk.notes.steps) == {(2, 2, "rows")}


def test_texts_with_what_vader_cant_see_are_counted(desk: Desk) -> None:
    texts = [
        "great👍 😂",
        "don’t",
        "a&amp;b",
        "I love it<br>’",
        "Das Produkt ist sehr gut",
        "",
        "a plain text",
    ]
    result = desk.score("id,text\n" + "".join(f"{row},{text}\n" for row, text in enumerate(texts)))
    assert result["unseen"] == {
        "emoji": 1,
        "curly": 2,
        "html": 2,
        "not_english": pytest.approx(1 / 6, abs=1e-4),
    }


def test_a_normalized_file_has_its_texts_as_they_were_and_the_scores_of_what_they_become(desk: Desk) -> None:
    texts = ["great👍", "I don’t like it", "a plain text", "great<br />movie"]
    content = "text\n" + "".join(f"{text}\n" for text in texts)
    standard = Scorer(normalize=True)
    desk.bulk = BulkScorer(standard)
    result = desk.score(content, normalize="standard")
    assert desk.parquet() == [
        {"text": text, **standard.score(text)._asdict(), "label": label}
        for text, label in zip(texts, ["positive", "negative", "neutral", "positive"], strict=True)
    ]
    assert result["unseen"]["emoji"] == 1


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
    monkeypatch.setattr(table, "BATCH_ROWS", 7)
    result = desk.score("id,text\n" + "".join(f"{n},good\n" for n in range(100)), format=format)
    assert result["rows"] == 100
    assert [row["id"] for row in getattr(desk, format)()] == [str(n) for n in range(100)]
    assert [step[0] for step in desk.notes.steps] == [*range(7, 100, 7), 100, 100]
    assert {step[1:] for step in desk.notes.steps} == {(100, "rows")}


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_memory_does_not_grow_with_the_file(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    format: str,  # noqa: A002
) -> None:
    monkeypatch.setattr(writers, "GROUP_BYTES", 4_000_000)
    source = desk.folder / "large.csv"
    with source.open("w") as file:
        for _ in range(20):
            file.write("text,pad\n" + f"good,{'x' * 5_000}\n" * 1_000)
    spec = SentimentSpec.model_validate({"file": uuid4(), "format": format})
    tracemalloc.start()
    score_file(spec, source, source.name, desk.output, desk.bulk, LIMIT, desk.notes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < source.stat().st_size / 4


def test_a_field_longer_than_csvs_own_limit_is_read(desk: Desk) -> None:
    assert desk.score(f"id,text\n{'x' * 200_000},good\n")["rows"] == 1


def test_a_cancel_leaves_no_output(desk: Desk) -> None:
    class Impatient(NoMetrics):
        def update(self, done: int, total: int | None, unit: str) -> None:
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


# ---- what a file is


def test_csv_under_a_name_that_says_nothing_is_told_by_its_header(desk: Desk) -> None:
    assert desk.score("id,text\n1,good\n", "upload")["rows"] == 1
    assert desk.score("id\ttext\n1\tgood, day\n", "upload")["labels"]["positive"] == 1


def test_content_is_believed_more_than_a_name(desk: Desk) -> None:
    assert desk.score('{"text": "good"}\n{"text": "bad"}\n', "in.csv")["rows"] == 2
    assert desk.score("id\ttext\n1\tgood\n", "in.csv")["labels"]["positive"] == 1
    assert desk.score("id,text\n1,good\n", "in.tsv")["labels"]["positive"] == 1
    desk.score("text\ngood\n")
    assert desk.score(desk.output.read_bytes(), "in.csv")["rows"] == 1


@pytest.mark.parametrize("name", ["in.csv.gz", "in.csv", "in.gz", "upload"])
@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_packed_files_are_read_as_what_is_in_them(desk: Desk, packing: str, name: str) -> None:
    content = b"id,text\n1,good\n2,bad\n"
    packed = gzip.compress(content) if packing == "gzip" else pa.compress(content, "zstd", asbytes=True)
    result = desk.score(packed, name)
    assert (result["rows"], result["column"]) == (2, "text")
    assert result["file"] == ("upload" if name == "upload" else "in") + ".scored.parquet"


def test_packed_parquet_and_many_members_are_read(desk: Desk) -> None:
    desk.score("text\ngood\n")
    assert desk.score(gzip.compress(desk.output.read_bytes()))["rows"] == 1
    assert desk.score(gzip.compress(b"text\ngood\n") + gzip.compress(b"bad\n"))["rows"] == 2
    two = pa.compress(b"text\ngood\n", "zstd", asbytes=True) + pa.compress(b"bad\n", "zstd", asbytes=True)
    assert desk.score(two)["rows"] == 2


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-32", "iso8859-15", "utf-8-sig"])
def test_other_encodings_are_read_when_they_are_named(desk: Desk, encoding: str) -> None:
    desk.score("text,n\nschön gut,1\n".encode(encoding), encoding=encoding)
    assert desk.parquet()[0]["text"] == "schön gut"


def test_an_encoding_means_nothing_to_parquet(desk: Desk) -> None:
    desk.score("text\ngood\n")
    assert desk.score(desk.output.read_bytes(), encoding="cp1252")["rows"] == 1


# ---- columns


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl"])
def test_a_column_can_be_named_by_its_number(desk: Desk, name: str) -> None:
    content = "id,title\n1,good\n" if name == "in.csv" else '{"id": 1, "title": "good"}'
    result = desk.score(content, name, column=2)
    assert (result["column"], result["labels"]["positive"]) == ("title", 1)


def test_a_key_that_comes_late_can_be_the_column(desk: Desk) -> None:
    rows = '{"a": "x"}\n' * 100_000 + '{"review": "good"}\n'
    result = desk.score(rows, "in.jsonl", column="review")
    assert (result["nulls"], result["labels"]["positive"]) == (100_000, 1)


def test_parquet_keeps_the_types_of_its_columns(desk: Desk) -> None:
    table = pa.table(
        {
            "text": pa.array(["good", None, ""]).dictionary_encode(),
            "n": pa.array([1, None, 3], pa.int32()),
            "tags": pa.array([["a"], [], None]),
            "at": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
            "label": pa.array([0.5, float("nan"), None]),
        }
    )
    source = desk.folder / "in.parquet"
    pq.write_table(table, source)
    assert desk.score(source.read_bytes(), "in.parquet")["nulls"] == 2
    made = pq.read_table(desk.output)
    assert made.schema.names == ["text", "n", "tags", "at", "label_original", *SCORES]
    assert made.schema.types[:5] == table.schema.types
    assert made.select([0, 1, 2, 3]).to_pylist() == table.select([0, 1, 2, 3]).to_pylist()
    desk.score(source.read_bytes(), "in.parquet", format="jsonl")
    first, second, third = desk.jsonl()
    assert (first["n"], first["tags"], first["at"]) == (1, ["a"], "1970-01-01 00:00:00+00:00")
    assert (first["label_original"], second["label_original"]) == (0.5, None)
    assert (third["n"], third["tags"], third["at"], third["compound"]) == (3, None, None, None)
    desk.score(source.read_bytes(), "in.parquet", format="csv")
    assert [(row["n"], row["tags"]) for row in desk.csv()] == [("1", '["a"]'), ("", "[]"), ("3", "")]


# ---- summary


def test_the_spread_and_shares_are_those_of_the_scores(desk: Desk) -> None:
    texts = ["I love it", "awful", "a table", "", "good", "bad bad bad"]
    result = desk.score("id,text\n" + "".join(f"1,{text}\n" for text in texts))
    compounds = [desk.scorer.score(text).compound for text in texts if text]
    assert result["std"] == pytest.approx(statistics.pstdev(compounds), abs=1e-12)
    assert result["shares"] == {"positive": 2 / 5, "neutral": 1 / 5, "negative": 2 / 5}


def test_the_ten_extremes_are_named_with_their_rows_the_first_of_equal_ones(desk: Desk) -> None:
    texts = ["", "good", "very good", "bad"] * 30
    result = desk.score("id,text\n" + "".join(f"1,{text}\n" for text in texts))
    score = desk.scorer.score("very good").compound
    assert result["most_positive"] == [
        {"row": row, "text": "very good", "compound": score} for row in range(2, 42, 4)
    ]
    assert [found["row"] for found in result["most_negative"]] == list(range(3, 43, 4))
    long = desk.score("text\na table\n" + "good " * 1_000)
    assert [len(found["text"]) for found in long["most_positive"]] == [500]
    assert long["most_negative"] == []


def test_groups_are_summed_up_each_most_rows_first(desk: Desk) -> None:
    rows = ["b,good", "a,bad", "b,", "c,awful", "b,very good", ",fine", "a,good"]
    outcome = desk.outcome("shop,text\n" + "\n".join(rows), group_by="shop")
    assert (outcome.result["group_by"], outcome.result["groups"]) == ("shop", 4)
    assert [group["value"] for group in outcome.groups] == ["b", "a", "", "c"]
    first = outcome.groups[0]
    compounds = [desk.scorer.score(text).compound for text in ("good", "very good")]
    assert (first["rows"], first["nulls"], first["labels"]["positive"]) == (3, 1, 2)
    assert first["mean"] == pytest.approx(statistics.mean(compounds), abs=1e-12)
    assert first["std"] == pytest.approx(statistics.pstdev(compounds), abs=1e-12)
    assert (len(first["histogram"]), sum(first["histogram"])) == (40, 2)


def test_null_is_a_group_and_numbers_are_text(desk: Desk) -> None:
    rows = '{"text": "good", "n": 1}\n{"text": "bad"}\n{"text": "bad", "n": "1"}\n'
    outcome = desk.outcome(rows, "in.jsonl", group_by="n", format="jsonl")
    assert [(group["value"], group["rows"]) for group in outcome.groups] == [("1", 2), (None, 1)]


# ---- broken rows


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_broken_rows_can_be_left_out_and_are_reported(desk: Desk, format: str) -> None:  # noqa: A002
    content = b'text,n\ngood,1\nragged\nb\xe4d,2\nzero\0,3\n"a" b,4\nbad,5\n"open,6\nfine,7\n'
    result = desk.score(content, errors="skip", quote="double", format=format)
    assert [row["text"] for row in getattr(desk, format)()] == ["good", "bad", "fine"]
    assert (result["rows"], result["skipped"]) == (3, 5)
    assert result["errors"]["count"] == 5
    assert [error["line"] for error in result["errors"]["first"]] == [3, 4, 5, 6, 8]
    assert result["errors"]["first"][0]["error"] == "has 1 field; should have 2, as in the header"


def test_broken_json_can_be_left_out(desk: Desk) -> None:
    rows = [b'{"text": "good"}', b"{", b'{"text": {}}', b"[]", b'{"text": "\xe4"}', b'{"text": "bad"}']
    result = desk.score(b"\n".join(rows), "in.jsonl", errors="skip", format="jsonl")
    assert [row["text"] for row in desk.jsonl()] == ["good", "bad"]
    assert [error["line"] for error in result["errors"]["first"]] == [2, 3, 4, 5]


def test_a_hundred_broken_rows_are_shown_and_all_are_counted(desk: Desk) -> None:
    result = desk.score("text,n\n" + "good,1\nbad\n" * 150, errors="skip")
    assert (result["rows"], result["skipped"], len(result["errors"]["first"])) == (150, 150, 100)
    assert result["errors"]["first"][-1]["line"] == 201


def test_without_skip_there_is_no_report_of_errors(desk: Desk) -> None:
    result = desk.score("text\ngood\n")
    assert (result["skipped"], result["errors"]) == (0, None)


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_a_table_without_rows_has_a_result_and_its_columns(desk: Desk, format: str) -> None:  # noqa: A002
    result = desk.score("id,text\n", format=format)
    assert (result["rows"], result["nulls"], result["skipped"], result["mean"]) == (0, 0, 0, None)
    assert (result["column"], result["most_positive"], result["shares"]["positive"]) == ("text", [], None)
    names = ["id", "text", "neg", "neu", "pos", "compound", "label"]
    match format:
        case "parquet":
            assert pq.read_table(desk.output).column_names == names
            assert desk.parquet() == []
        case "csv":
            assert desk.output.read_bytes() == ",".join(names).encode() + b"\r\n"
        case _:
            assert desk.output.read_bytes() == b""


def test_parquet_without_rows_keeps_its_types(desk: Desk) -> None:
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    file = io.BytesIO()
    pq.write_table(schema.empty_table(), file)
    assert desk.score(file.getvalue(), "in.parquet")["rows"] == 0
    assert pq.read_table(desk.output).schema.field("id").type == pa.int64()
