"""Several files are scored as one: the rows of all, each with the name of its file."""

import contextlib
import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.sentiment import plans
from jobyard.workers.sentiment.outcome import put_together
from jobyard.workers.sentiment.parts import score_part
from jobyard.workers.sentiment.plans import read_file
from jobyard.workers.sentiment.several import Slice, Upload, plan_of, read_files, unique
from jobyard.workers.sentiment.vader.bulk import BulkScorer
from tests.unit.workers.sentiment.conftest import Desk
from tests.workbooks import xlsx


@contextlib.contextmanager
def at(path: Path) -> Iterator[Path]:
    yield path


def score(
    folder: Path, bulk: BulkScorer, contents: Mapping[str, bytes], limit: int = 10**8, **options: Any
) -> dict[str, Any]:
    """In parts, each of which has the plan as another process has it."""
    uploads = []
    for number, (name, content) in enumerate(contents.items()):
        (folder / f"upload-{number}").write_bytes(content)
        uploads.append(Upload(name.split("/")[-1], partial(at, folder / f"upload-{number}")))
    spec = SentimentSpec(files=[uuid4() for _ in uploads], **options)
    copy, output = folder / "copy", folder / "output"
    plan = plan_of(
        json.loads(json.dumps(read_files(spec, uploads, copy, limit, NoProgress(), Room()).note()))
    )
    with copy.open("rb") as stream:
        for number in range(len(plan.parts)):
            score_part(spec, plan, number, stream, folder / f"part-{number}", bulk, NoProgress())
    return put_together(
        spec, plan, lambda number: (folder / f"part-{number}").open("rb"), output, NoProgress()
    ).result


def table(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "output").to_pylist()
    return rows


def test_the_rows_of_all_files_have_their_names(tmp_path: Path, bulk: BulkScorer) -> None:
    contents = {
        "a.csv": b"id,text\n1,good\n2,bad\n",
        "b.tsv.gz": gzip.compress(b"text\tid\nfine\t3\n"),
        "c.xlsx": xlsx({"A": [["text", "new"], ["awful", 4]]}),
        "d.jsonl": b'{"text": "great", "more": [1]}\n',
    }
    result = score(tmp_path, bulk, contents)
    assert [(row["source"], row["text"], row["id"]) for row in table(tmp_path)] == [
        ("a.csv", "good", "1"),
        ("a.csv", "bad", "2"),
        ("b.tsv.gz", "fine", "3"),
        ("c.xlsx", "awful", None),
        ("d.jsonl", "great", None),
    ]
    assert (result["rows"], result["file"], result["column"]) == (5, "4_files.scored.parquet", "text")
    assert [file["name"] for file in result["read_as"]["files"]] == list(contents)
    assert result["read_as"]["files"][1]["compression"] == "gzip"


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_other_formats_name_the_file_too(tmp_path: Path, bulk: BulkScorer, format: str) -> None:  # noqa: A002
    score(tmp_path, bulk, {"a.csv": b"text\ngood\n", "b.csv": b"text\nbad\n"}, format=format)
    content = (tmp_path / "output").read_text()
    rows = (
        list(csv.DictReader(io.StringIO(content)))
        if format == "csv"
        else list(map(json.loads, content.split("\n")[:-1]))
    )
    assert [(row["text"], row["source"]) for row in rows] == [("good", "a.csv"), ("bad", "b.csv")]


def test_json_stays_what_it_is(tmp_path: Path, bulk: BulkScorer) -> None:
    contents = {"a.jsonl": b'{"text": "good", "n": {"a": [1]}}\n', 'b "1".jsonl': b'{"text": "bad"}\n{}\n'}
    score(tmp_path, bulk, contents, format="jsonl")
    rows = [json.loads(line) for line in (tmp_path / "output").read_text().split("\n")[:-1]]
    assert [row["source"] for row in rows] == ["a.jsonl", 'b "1".jsonl', 'b "1".jsonl']
    assert rows[0]["n"] == {"a": [1]}


def test_parquet_keeps_its_types(tmp_path: Path, bulk: BulkScorer) -> None:
    contents = {}
    for name in ("a.parquet", "b.parquet"):
        file = io.BytesIO()
        pq.write_table(pa.table({"id": [1, 2], "text": ["good", "bad"]}), file)
        contents[name] = file.getvalue()
    assert score(tmp_path, bulk, contents)["rows"] == 4
    found = pq.read_table(tmp_path / "output")
    assert found.schema.field("id").type == pa.int64()
    assert found["source"].to_pylist() == ["a.parquet"] * 2 + ["b.parquet"] * 2


def parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_columns_of_parquet_are_united_by_their_names(
    tmp_path: Path,
    bulk: BulkScorer,
    format: str,  # noqa: A002
) -> None:
    contents = {
        "a.parquet": parquet(id=[1, 2], text=["good", "bad"], tags=pa.array([["x"], None])),
        "b.parquet": parquet(text=["good"], id=[1.5], b=pa.nulls(1)),
        "c.parquet": parquet(b=[True], text=pa.nulls(1)),
    }
    result = score(tmp_path, bulk, contents, format=format)
    assert (result["rows"], result["nulls"]) == (4, 1)
    assert result["warnings"] == ["columns that not all files have are null in the others: 'id', 'tags', 'b'"]
    if format != "parquet":
        return
    found = pq.read_table(tmp_path / "output")
    assert [found.schema.field(name).type for name in ("id", "text", "tags", "b")] == [
        pa.float64(),
        pa.string(),
        pa.list_(pa.string()),
        pa.bool_(),
    ]
    assert found["id"].to_pylist() == [1.0, 2.0, 1.5, None]
    assert found["tags"].to_pylist() == [["x"], None, None, None]
    assert found["b"].to_pylist() == [None, None, None, True]


def test_a_number_that_the_type_of_all_can_not_hold_is_refused(tmp_path: Path, bulk: BulkScorer) -> None:
    contents = {"a.parquet": parquet(text=["x"], n=[2**53 + 1]), "b.parquet": parquet(text=["y"], n=[1.5])}
    with pytest.raises(WorkError, match=r"column 'n' is int64, and can't be double: "):
        score(tmp_path, bulk, contents)


def test_files_can_be_groups(tmp_path: Path, bulk: BulkScorer) -> None:
    result = score(tmp_path, bulk, {"a.csv": b"text\ngood\n", "b.csv": b"text\nbad\n"}, group_by="source")
    assert (result["group_by"], result["groups"]) == ("source", 2)


def test_names_that_are_there_twice_are_told_apart(tmp_path: Path, bulk: BulkScorer) -> None:
    score(tmp_path, bulk, {"x/a.csv": b"text\ngood\n", "y/a.csv": b"text\nbad\n"})
    assert [row["source"] for row in table(tmp_path)] == ["a.csv", "a.csv (2)"]
    assert unique(["a", "a (2)", "a", "a"]) == ["a", "a (2)", "a (3)", "a (4)"]


def test_a_column_of_that_name_keeps_it(tmp_path: Path, bulk: BulkScorer) -> None:
    score(tmp_path, bulk, {"a.csv": b"text,Source\ngood,web\n", "b.csv": b"text\nbad\n"})
    assert [(row["Source"], row["source_file"]) for row in table(tmp_path)] == [
        ("web", "a.csv"),
        (None, "b.csv"),
    ]


def test_broken_rows_are_named_with_their_file_and_line(tmp_path: Path, bulk: BulkScorer) -> None:
    contents = {"a.csv": b"id,text\n1,good\n", "b.csv": b"id,text\n1,good\n2\n"}
    with pytest.raises(WorkError, match=r"^b.csv: line 3: has 1 field"):
        score(tmp_path, bulk, contents)
    result = score(tmp_path, bulk, contents, errors="skip")
    assert (result["rows"], result["skipped"]) == (2, 1)
    assert {name: result["errors"]["first"][0][name] for name in ("source", "line")} == {
        "source": "b.csv",
        "line": 3,
    }


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"a.csv": b"text\ngood\n", "b.pdf": b"%PDF-1.4"}, "b.pdf: the file is a PDF document; should be"),
        (
            {"a.csv": b"text\ngood\n", "b.csv": b"body\nbad\n"},
            "the texts are in the column 'text' of a.csv, and 'body' of b.csv; should be in columns of one "
            "name",
        ),
        (
            {"a.csv": b"text\ngood\n", "b.parquet": parquet(text=["bad"])},
            "a.csv is csv and b.parquet is parquet; all should be Parquet, or none",
        ),
        (
            {"a.parquet": parquet(text=["good"], n=[1]), "b.parquet": parquet(text=["bad"], n=["x"])},
            "column 'n' is int64 in a.parquet and string in b.parquet; Parquet files that are scored as one "
            "should have columns of the same types",
        ),
    ],
)
def test_files_that_are_no_one_table_are_refused(
    tmp_path: Path, bulk: BulkScorer, contents: dict[str, bytes], message: str
) -> None:
    with pytest.raises(WorkError) as refused:
        score(tmp_path, bulk, contents)
    assert str(refused.value).startswith(message)


def test_a_key_that_would_be_there_twice_is_refused(tmp_path: Path, bulk: BulkScorer) -> None:
    late = b'{"text": "x"}\n' * 200_000 + b'{"text": "y", "source": "z"}\n'
    with pytest.raises(WorkError, match="has a key 'source', which is to name the file"):
        score(tmp_path, bulk, {"a.jsonl": late, "b.jsonl": late[:14]}, format="jsonl")


def test_what_all_unpack_to_is_limited_together(tmp_path: Path, bulk: BulkScorer) -> None:
    packed = gzip.compress(b"text\n" + b"good\n" * 100_000)
    score(tmp_path, bulk, {"a.csv.gz": packed}, limit=600_000)
    with pytest.raises(WorkError, match=r"b.csv.gz: the file unpacks to over"):
        score(tmp_path, bulk, {"a.csv.gz": packed, "b.csv.gz": packed}, limit=600_000)


def test_every_part_of_every_file_is_scored(
    tmp_path: Path, bulk: BulkScorer, monkeypatch: pytest.MonkeyPatch, desk: Desk
) -> None:
    monkeypatch.setattr(plans, "MIN_PART_BYTES", 100)
    monkeypatch.setattr(plans, "MAX_PART_BYTES", 100)
    rows = [f"{number},good\n".encode() for number in range(200)]
    contents = {f"{number}.csv": b"id,text\n" + b"".join(rows[number::3]) for number in range(3)}
    assert score(tmp_path, bulk, contents)["rows"] == 200
    together = b"id,text\n" + b"".join(b"".join(rows[number::3]) for number in range(3))
    desk.score(together)
    expected = [(row["id"], row["compound"]) for row in desk.parquet()]
    assert [(row["id"], row["compound"]) for row in table(tmp_path)] == expected


@given(content=st.binary(max_size=50), data=st.data())
def test_a_slice_is_read_as_a_file_of_its_own(content: bytes, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, len(content)))
    ours, plain = Slice(io.BytesIO(content), begin, end), io.BytesIO(content[begin:end])
    for _ in range(5):
        place, size = data.draw(st.integers(0, 60)), data.draw(st.integers(-1, 60))
        assert ours.seek(place) == plain.seek(place)
        assert (ours.read(size), ours.tell()) == (plain.read(size), plain.tell())
    assert ours.seek(0, 2) == plain.seek(0, 2)


def test_the_plan_of_another_version_asks_for_a_retry(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("good\n")
    spec = SentimentSpec(file=uuid4())
    plan = read_file(spec, source, "in.txt", tmp_path / "copy", 1_000, NoProgress())
    note = plan.note()
    assert plan_of(note) == plan
    earlier = {key: value for key, value in note.items() if key != "dialect"}
    for other in (earlier, note | {"what a later one has": 1}):
        with pytest.raises(WorkError, match=r"^another version of Jobyard .*; retry the job$"):
            plan_of(other)
