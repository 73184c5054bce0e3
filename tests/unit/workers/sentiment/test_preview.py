"""The head of a file is read as its job reads the whole: the same format and columns, or the same refusal."""

import bz2
import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared import kinds
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.preview import PreviewSpec, Reading
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.kinds.preview import HEAD_BYTES, write_head
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.sentiment.plans import read_file
from jobyard.workers.sentiment.preview import NOT_TOLD, preview
from jobyard.workers.sentiment.tables.workbooks import OLE
from tests.factories import tarred, zipped
from tests.unit.workers.sentiment.conftest import LIMIT, Desk
from tests.workbooks import xlsx

FILE = UUID(int=0)
# As short as a head may be and tell as much.
SHORT_BYTES = 200_000
TAIL_BYTES = 50_000
LINE = "I love it; really, “so much” ☃"


def looked_at(folder: Path, content: bytes, name: str, head_bytes: int | None = None, **reading: Any) -> Any:
    """What the preview of a file says, of which a client sends the head, and perhaps the tail."""
    source = folder / "head"
    first = min(head_bytes or len(content), len(content))
    spec = PreviewSpec(file=FILE, bytes=len(content), head_bytes=first)
    sent = content[:first] + content[first:][-TAIL_BYTES:]
    is_cut = write_head(io.BytesIO(sent), len(sent), spec, source)
    return preview(Reading(**reading), source, name, LIMIT, NoProgress(), is_cut=is_cut)


def read(folder: Path, content: bytes, name: str, **reading: Any) -> Any:
    """What a job finds out about the file."""
    (folder / "whole").write_bytes(content)
    spec = SentimentSpec(file=FILE, **reading)
    return read_file(spec, folder / "whole", name, folder / "copy", LIMIT, NoProgress())


def parquet(rows: int, **columns: Any) -> bytes:
    target = io.BytesIO()
    made = {"text": [f"{LINE} {row}" for row in range(rows)], "stars": [row % 5 for row in range(rows)]}
    pq.write_table(pa.table(made | columns), target, compression="none")
    return target.getvalue()


def table(rows: int, delimiter: str = ",", header: str = "id,text,stars") -> str:
    lines = [f'{row},"{LINE}\n{row}",{row % 5}' for row in range(rows)]
    return "\n".join([header, *lines, ""]).replace(",", delimiter)


def objects(rows: int) -> list[dict[str, Any]]:
    return [{"id": row, "text": f"{LINE} {row}", "user": {"name": f"u{row}"}} for row in range(rows)]


# By name: what is in a file of so many rows.
FILES: dict[str, Callable[[int], bytes]] = {
    "commas.csv": lambda rows: table(rows).encode(),
    "semicolons.csv": lambda rows: table(rows, ";").encode(),
    "titled.csv": lambda rows: b"# Exported by the shop\n\n" + table(rows).encode(),
    "tabs.tsv": lambda rows: table(rows, "\t").encode(),
    "wide.csv": lambda rows: table(rows).encode("utf-16"),
    "lines.jsonl": lambda rows: "\n".join(map(json.dumps, objects(rows))).encode(),
    "array.json": lambda rows: json.dumps(objects(rows), ensure_ascii=False).encode(),
    "pretty.json": lambda rows: json.dumps({"meta": {"n": 1}, "rows": objects(rows)}, indent=2).encode(),
    "plain.txt": lambda rows: f"{LINE}\n".encode() * rows,
    "packed.csv.gz": lambda rows: gzip.compress(table(rows).encode(), 0),
    "packed.csv.bz2": lambda rows: bz2.compress(table(rows).encode(), 1),
    "one.zip": lambda rows: zipped({"in/rows.csv": table(rows).encode(), "README.txt": b"read me"}),
    "table.parquet": parquet,
}


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_is_read_as_by_its_job(tmp_path: Path, name: str) -> None:
    content = FILES[name](9)
    found, plan = looked_at(tmp_path, content, name), read(tmp_path, content, name)
    assert found["problem"] is None
    assert found["is_whole"]
    assert found["read_as"] == plan.read_as
    assert (found["columns"], found["column"], found["row_count"]) == (plan.columns, plan.column, plan.rows)
    assert found["warnings"] == plan.warnings
    place = found["columns"].index("text")
    assert len(found["rows"]) == 5
    assert all(row[place].startswith("I love it") for row in found["rows"])


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("table.parquet", "packed.csv.bz2")])
def test_a_head_is_read_as_the_whole(tmp_path: Path, name: str) -> None:
    content = FILES[name](9_000)
    assert len(content) > SHORT_BYTES + TAIL_BYTES
    # It ends in the middle of a row, and of a letter, a member or an archive.
    for size in (SHORT_BYTES, SHORT_BYTES - 1, SHORT_BYTES - 2):
        found, plan = looked_at(tmp_path, content, name, size), read(tmp_path, content, name)
        assert found["problem"] is None
        assert not found["is_whole"]
        assert found["read_as"] == plan.read_as
        assert (found["columns"], found["column"]) == (plan.columns, plan.column)
        assert found["warnings"] == plan.warnings
        assert 0 < found["row_count"] < plan.rows
        assert found["broken"]["count"] == 0


def test_the_footer_of_large_parquet_has_its_columns_and_rows(tmp_path: Path) -> None:
    content = parquet(100_000, user=[{"name": "a"}] * 100_000)
    found = looked_at(tmp_path, content, "large.parquet", HEAD_BYTES)
    assert found["problem"] is None
    assert (found["columns"], found["within"]) == (["text", "stars", "user"], ["user.name"])
    assert (found["row_count"], found["is_whole"], found["rows"]) == (100_000, True, [])
    (tmp_path / "head").write_bytes(content[:HEAD_BYTES])
    cut = preview(Reading(), tmp_path / "head", "large.parquet", LIMIT, NoProgress(), is_cut=True)
    assert (cut["problem"], cut["warnings"]) == (None, [NOT_TOLD])


@pytest.mark.parametrize(
    ("content", "name", "reading", "field", "columns"),
    [
        (b"a;b\n1;good\n2;bad\n", "in.csv", {}, "column", ["a", "b"]),
        (b"a;b\n1;good\n2;bad\n", "in.csv", {"column": "c"}, "column", ["a", "b"]),
        (b"a;text\n1;good\n2;bad\n", "in.csv", {"group_by": "c"}, "group_by", ["a", "text"]),
        (b"a\tb\n1\tgood\n2\tbad\n", "in.txt", {}, "column", ["a", "b"]),
        (b'{"a": "good"}\n{"a": "bad"}\n', "in.txt", {}, "column", ["a"]),
        (b"a,b\n1,g\xf6\xf6d\n", "in.csv", {"encoding": "utf-16-le"}, "encoding", []),
        (b"\xff\xfea\0", "in.csv", {"encoding": "cp1252"}, "encoding", []),
        (b"a#b\n1#good\n2#bad\n", "in.csv", {}, "delimiter", []),
        (b"<p>good</p>\n", "in.html", {}, "delimiter", []),
        (b'{"a": [{"x": 1}], "b": [{"y": 2}]}', "in.json", {}, "column", []),
        (b"a,text\n1,good\n", "in.csv", {"sheet": "one"}, "sheet", []),
        (b"%PDF-1.7\n", "in.csv", {}, "file", []),
        (xlsx({"one": [["a"], ["x"]], "two": [["b"], ["y"]]}), "in.xlsx", {}, "sheet", []),
        (xlsx({"one": [["a"], ["x"]], "two": [["b"], ["y"]]}), "in.xlsx", {"sheet": "z"}, "sheet", []),
    ],
)
def test_what_a_job_would_refuse_is_told_with_the_field_and_its_choices(
    tmp_path: Path, content: bytes, name: str, reading: dict[str, Any], field: str, columns: list[str]
) -> None:
    found = looked_at(tmp_path, content, name, **reading)
    assert (found["problem"]["field"], found["columns"]) == (field, columns)
    with pytest.raises(WorkError) as refused:
        read(tmp_path, content, name, **reading)
    assert refused.value.message == found["problem"]["message"]
    assert refused.value.field == (None if field == "file" else field)
    # Of a job's error only the words are kept: they lead to the same field.
    assert kinds.find("sentiment").wrong_field(reading, refused.value.message) == refused.value.field
    assert found["sheets"] == (["one", "two"] if name == "in.xlsx" else None)


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize(
    ("first", "row", "name"),
    [
        ("text,n", "caf\xe9,{}", "in.csv"),
        ("good", "caf\xe9 {}", "in.txt"),
        ('{"text": "good"}', '{{"text": "caf\xe9 {}"}}', "in.jsonl"),
    ],
)
def test_rows_that_are_no_text_are_told_as_the_job_tells_them(
    tmp_path: Path, desk: Desk, first: str, row: str, name: str, *, is_cut: bool
) -> None:
    content = "\n".join([first, *(row.format(number) for number in range(20_000)), ""]).encode("latin-1")
    found = looked_at(tmp_path, content, name, SHORT_BYTES if is_cut else None)
    with pytest.raises(WorkError) as refused:
        desk.score(content, name)
    broken = found["broken"]["first"][0]
    assert refused.value.message == f"line {broken['line']}: {broken['error']}"
    assert broken["line"] == 2
    assert "set `encoding`" in broken["error"]
    assert found["broken"]["count"] == (content[:SHORT_BYTES].count(b"\n") - 1 if is_cut else 20_000)
    mended = looked_at(tmp_path, content, name, encoding="latin-1")
    assert (mended["broken"]["count"], len(mended["rows"])) == (0, 5)


def test_a_chosen_sheet_delimiter_header_and_column_are_read(tmp_path: Path) -> None:
    book = xlsx({"one": [["a"], ["x"]], "two": [["b", "c"], ["y", 3]]})
    found = looked_at(tmp_path, book, "in.xlsx", sheet="two", column="b")
    assert (found["columns"], found["column"], found["rows"]) == (["b", "c"], "b", [["y", "3"]])
    plain = looked_at(tmp_path, b"a|b\nc|d\n", "in.csv", delimiter="|", header="no", column=2)
    assert (plain["columns"], plain["column"]) == (["column_1", "column_2"], "column_2")
    assert plain["rows"] == [["a", "b"], ["c", "d"]]
    assert looked_at(tmp_path, b"a|b\n", "in.csv", delimiter="none")["rows"] == [["a|b"]]


def test_little_of_what_is_packed_very_well_is_unpacked(tmp_path: Path) -> None:
    content = gzip.compress(b"id,text\n" + b"1,good\n" * 12_000_000, 9)
    found = looked_at(tmp_path, content, "bomb.csv.gz")
    assert (found["columns"], found["is_whole"]) == (["id", "text"], False)
    assert found["row_count"] < 3_000_000


@pytest.mark.parametrize("name", ["in.tar", "in.tar.gz", "in.json", "in.xlsx"])
def test_nothing_is_said_against_a_file_that_begins_further_on(tmp_path: Path, name: str) -> None:
    noise = random.Random(0).randbytes(HEAD_BYTES * 2).hex()
    archive = tarred({"in.csv": table(60_000).encode(), "README": noise.encode()})
    content = {
        "in.tar": archive,
        "in.tar.gz": gzip.compress(archive, 1),
        "in.json": json.dumps({"about": noise, "rows": objects(9)}).encode(),
        "in.xlsx": xlsx(
            {"one": [["text"], *([noise[at : at + 9_000]] for at in range(0, len(noise), 9_000))]}
        ),
    }[name]
    found = looked_at(tmp_path, content, name, HEAD_BYTES // 2)
    assert (found["problem"], found["columns"], found["warnings"]) == (None, [], [NOT_TOLD])
    assert read(tmp_path, content, name).rows > 0


def test_a_file_of_old_office_that_is_cut_is_written_without_its_hole(tmp_path: Path) -> None:
    head = OLE + bytes(600)
    sent = head + b"end"
    spec = PreviewSpec(file=FILE, bytes=2**40, head_bytes=len(head))
    assert write_head(io.BytesIO(sent), len(sent), spec, tmp_path / "head")
    assert (tmp_path / "head").stat().st_size == len(head)
    found = preview(Reading(), tmp_path / "head", "in.xls", LIMIT, NoProgress(), is_cut=True)
    assert (found["problem"], found["warnings"]) == (None, [NOT_TOLD])


@given(content=st.binary(max_size=2_000), cut=st.booleans(), name=st.sampled_from(sorted(FILES)))
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, cut: bool, name: str) -> None:
    whole = b"\x1f\x8b\x08" + content if cut else content
    (tmp_path / "head").write_bytes(whole)
    found = preview(Reading(), tmp_path / "head", name, LIMIT, NoProgress(), is_cut=cut)
    assert found["problem"] or found["columns"] or found["warnings"] == [NOT_TOLD]
    json.dumps(found).encode()
