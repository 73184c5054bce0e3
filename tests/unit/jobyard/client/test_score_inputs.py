"""What is to be scored is sent as it was given, or refused before anything is sent."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobyard.client import BadRequest
from jobyard.client.score_inputs import MAX_TEXTS, ScoreInput, score_input

FRAME = pd.DataFrame({"id": [1, 2], "review": ["good", None], "team": ["a", None]}, index=["x", "y"])


class Streamed:
    """A table of another library, which is read by Arrow's protocol, once."""

    def __init__(self, table: Any) -> None:
        self._tables = iter([table])

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return next(self._tables).__arrow_c_stream__(requested_schema)


class Interchanged:
    """A table that is read by the protocol before that."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __dataframe__(self, *arguments: Any, **options: Any) -> Any:
        return self._table.__dataframe__(*arguments, **options)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def written(found: ScoreInput) -> dict[str, list[Any]]:
    """What is in the file that was written."""
    return dict(pq.read_table(found.spec["file"]).to_pydict())


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        pl.from_pandas(FRAME),
        pl.from_pandas(FRAME).lazy(),
        pa.Table.from_pandas(FRAME),
        pa.RecordBatch.from_pandas(FRAME),
        Streamed(FRAME),
        Streamed(pl.from_pandas(FRAME)),
        Interchanged(pa.Table.from_pandas(FRAME)),
    ],
)
def test_of_a_frame_only_the_columns_are_sent_that_are_needed(opened: ExitStack, frame: Any) -> None:
    found = score_input({"texts": frame, "column": "review", "group_by": "team"}, opened)
    assert found.spec == {"column": "review", "group_by": "team", "file": found.spec["file"]}
    assert found.spec["file"].name == "review.parquet"
    assert written(found) == {"review": ["good", None], "team": ["a", None]}
    assert len(found.given) == 2


def test_scores_belong_to_the_rows_as_they_were_given(opened: ExitStack) -> None:
    texts = ["bad", "good"]
    frame = pd.DataFrame({"text": texts}, index=["x", "y"])
    series, polars, polar = frame["text"].copy(), pl.DataFrame({"text": texts}), pl.Series("text", texts)
    found = [score_input({"texts": one}, opened).given for one in (frame, series, polars, polar)]
    for changed in (frame, series):
        changed.loc["z"] = "new"
        changed.index = pd.Index(["c", "b", "a"])
    polars.insert_column(0, pl.Series("row", [0, 1]))
    polar.sort(descending=True, in_place=True)
    assert [list(one["text"] if hasattr(one, "columns") else one) for one in found] == [texts] * 4
    assert list(found[0].index) == ["x", "y"]
    assert found[2].columns == ["text"]


def test_few_texts_travel_with_the_request_whatever_holds_them(opened: ExitStack) -> None:
    good = FRAME[:1]
    for texts in [
        "good",
        ["good"],
        good["review"],
        pl.Series(["good"]),
        Streamed(pl.Series(["good"])),
        good[["review"]],
    ]:
        assert score_input({"texts": texts, "explain": True}, opened).spec == {
            "texts": ["good"],
            "explain": True,
        }
    asked = {"texts": ["good"], "format": "csv"}
    assert written(score_input(asked, opened)) == {"text": ["good"]}


@pytest.mark.parametrize(
    "texts", [["good", None], ["good", " "], ["good"] * (MAX_TEXTS + 1), ["good", "x" * 10_001]]
)
def test_what_a_request_does_not_hold_goes_as_a_file(opened: ExitStack, texts: list[str | None]) -> None:
    found = score_input({"texts": iter(texts)}, opened)
    assert written(found) == {"text": texts}
    assert found.given is None
    with pytest.raises(BadRequest, match=r"^explain: is for texts that travel with the request"):
        score_input({"texts": texts, "explain": True}, opened)


def test_a_generator_is_read_a_batch_at_a_time(opened: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobyard.client.written_texts.BATCH_ROWS", 1_000)
    read, behind = 0, []

    def texts() -> Iterator[str]:
        nonlocal read
        for read in range(1, 10_001):
            yield f"text {read}"

    write = pq.ParquetWriter.write_batch

    def write_batch(self: Any, batch: Any, *arguments: Any) -> None:
        behind.append(read)
        write(self, batch, *arguments)

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", write_batch)
    found = score_input({"texts": texts()}, opened)
    assert written(found)["text"] == [f"text {number}" for number in range(1, 10_001)]
    assert behind == [max(number, MAX_TEXTS + 1) for number in range(1_000, 10_001, 1_000)]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"texts": FRAME, "column": "revieww"},
            "column: there is no column 'revieww'; did you mean 'review'? the",
        ),
        (
            {"texts": FRAME, "column": 4},
            "column: there is no column 4; the columns are 'id', 'review', 'team'",
        ),
        ({"texts": FRAME, "column": True}, "column: there is no column True; "),
        (
            {"texts": FRAME, "column": {"number": 0}},
            "column: is {'number': 0}; should be a name, or {\"number\": 1}",
        ),
        (
            {"texts": FRAME, "column": 2, "group_by": "tem"},
            "group_by: there is no column 'tem'; did you mean 'team'",
        ),
        ({"texts": FRAME}, "column: should name one of the columns of texts, which are 'review', 'team'"),
        ({"texts": FRAME[["id"]]}, "column: the data frame has no column of texts; the columns are 'id'"),
        ({"texts": FRAME, "column": "id"}, "column 'id'[0]: is 1, and no text"),
        (
            {"texts": FRAME[["id", "id"]], "column": "id"},
            "column: 2 columns are called 'id'; should be {\"number\": 1}",
        ),
        ({"texts": FRAME[:0], "column": "review"}, "texts: there are none; should be at least one text"),
        ({"texts": FRAME, "column": 2, "encoding": "cp1252"}, "encoding: is for a file; leave it out"),
        (
            {"texts": ["good"], "column": "text"},
            "column: is for a file or a data frame; what was given has no",
        ),
        ({"texts": []}, "texts: there are none"),
        ({"texts": {"text": ["good"]}}, "texts: is a dict; should be"),
        ({"texts": [Path("a.csv"), "b.csv"], "files": None}, None),
        ({"file": io.StringIO("text\ngood"), "encoding": "cp1252"}, "encoding: the file is open as text"),
        ({"file": io.BytesIO()}, "file: there is nothing to read in the BytesIO; is it at its end?"),
        ({"file": b"text"}, "file: is bytes; should be a path, or an open file, as io.BytesIO(content)"),
        ({"file": "no/*.csv"}, "file: no file matches 'no/*.csv'"),
        ({"files": "a.csv"}, "files: should be a list, as ['a.csv']"),
    ],
)
def test_what_is_wrong_is_named(opened: ExitStack, spec: dict[str, Any], said: str | None) -> None:
    if said is None:
        assert score_input(spec, opened).spec == {"files": [Path("a.csv"), Path("b.csv")]}
        return
    with pytest.raises(BadRequest) as refused:
        score_input(spec, opened)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("names", "wanted", "place"),
    [
        (["a", "b"], "b", 1),
        (["a", "b"], 2, 1),
        ([0, 1], 1, 1),  # a name before it is a number
        ([0, 1], {"number": 1}, 0),
        ([("a", "x"), ("a", "y")], ("a", "y"), 1),
        (["b", "text"], None, 1),
    ],
)
def test_a_column_is_found_by_its_name_or_number(
    opened: ExitStack, names: list[Any], wanted: Any, place: int
) -> None:
    columns = pd.MultiIndex.from_tuples(names) if isinstance(names[0], tuple) else pd.Index(names)
    frame = pd.DataFrame([["zero", "one"]], columns=columns)
    spec = {"texts": frame} if wanted is None else {"texts": frame, "column": wanted}
    assert score_input(spec, opened).spec["texts"] == [["zero", "one"][place]]


def test_open_files_and_patterns_are_files(opened: ExitStack, tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.csv").write_text(f"text\n{name}\n", encoding="utf-16")
    with (tmp_path / "a.csv").open("rb") as binary, (tmp_path / "b.csv").open(encoding="utf-16") as text:
        assert score_input({"texts": binary}, opened).spec == {"file": tmp_path / "a.csv"}
        (decoded,) = score_input({"texts": [text]}, opened).spec["files"]
        assert (decoded.name, decoded.read_text(encoding="utf-8")) == ("b.csv", "text\nb\n")
        binary.read(2)
        rest = score_input({"file": binary}, opened).spec["file"]
        assert rest.read_bytes() == (tmp_path / "a.csv").read_bytes()[2:]
    both = [tmp_path / "a.csv", tmp_path / "b.csv"]
    assert score_input({"file": tmp_path / "*.csv"}, opened).spec == {"files": both}
    assert score_input({"files": str(tmp_path / "*.csv")}, opened).spec == {"files": both}
    assert score_input({"texts": both[0]}, opened).spec == {"file": both[0]}


def test_odd_names_of_columns_do_not_matter(opened: ExitStack) -> None:
    for name in ["", "\n", "x" * 200, 5, None, float("nan"), ("a", 1), "neg", "a/b", "..", "label"]:
        frame = pd.DataFrame(
            [["good", "x"], [None, "y"]], columns=pd.Index([name, "team"], tupleize_cols=False)
        )
        found = score_input({"texts": frame, "column": {"number": 1}, "group_by": "team"}, opened)
        assert list(written(found).values()) == [["good", None], ["x", "y"]]
        assert list(written(found)) == [found.spec["column"], found.spec["group_by"]]
        assert found.spec["file"].parent.name.startswith("jobyard-")


def test_without_pyarrow_polars_writes_parquet_and_without_both_there_are_lines(
    opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    texts: list[str | None] = ["good\n\u2028", None, '"']
    assert pl.read_parquet(score_input({"texts": texts}, opened).spec["file"])["text"].to_list() == texts
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    lines = score_input({"texts": iter(texts)}, opened).spec["file"]
    assert lines.name == "text.jsonl"
    assert [json.loads(line) for line in lines.read_text(encoding="utf-8").split("\n")[:-1]] == [
        {"text": text} for text in texts
    ]


def test_names_of_files_are_no_texts_unless_an_iterator_brings_them(
    tmp_path: Path, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("may.csv", "june.csv", "JULY.TSV.gz", "nice", "nice.py"):
        Path(name).touch()
    absolute = str(tmp_path / "JULY.TSV.gz")
    for texts, instead in (
        ("may.csv", "texts: 'may.csv' is a file; should be file='may.csv', or iter"),
        (absolute, f"should be file={absolute!r:.20}"),
        (["may.csv", "june.csv"], "'may.csv' and the others are files; should be files=['may.csv', …]"),
    ):
        with pytest.raises(BadRequest) as refused:
            score_input({"texts": texts}, opened)
        assert instead in str(refused.value)
    odd = ("a\0b.csv", "a" * 300 + ".csv", "so… " * 5_000 + "/.", "..gz", ".gz", "a.", ".csv")
    for texts in (
        "nice",
        "./nice",
        str(tmp_path / "nice.py"),
        "july.csv",
        ["may.csv", "good"],
        iter(["may.csv"]),
        *odd,
    ):
        assert score_input({"texts": texts}, opened).spec


@pytest.mark.parametrize("start", ["//", "\\\\", "\\/", "/\\"])
def test_the_disk_is_not_asked_about_shares_of_the_network(
    start: str, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows that would connect to whatever host a text names."""
    asked: list[Path] = []

    def is_file(path: Path) -> bool:
        asked.append(path)
        return True

    monkeypatch.setattr(Path, "is_file", is_file)
    assert score_input({"texts": f"{start}host/share/may.csv"}, opened).spec
    assert asked == []
    with pytest.raises(BadRequest, match="is a file"):
        score_input({"texts": "/share/may.csv"}, opened)
    assert asked == [Path("/share/may.csv")]
