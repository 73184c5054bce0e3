"""A file that can't be scored is refused with the line, and with what would be right."""

import contextlib
import gzip
import io
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared.errors import WorkError
from jobyard.workers.sentiment.tables.window import MAX_LINE
from tests.unit.workers.sentiment.conftest import Desk

ZIP = "the zip archive is truncated or damaged: File is not a zip file"
LONG = b"text\n" + b"\n".join(b"%d" % number for number in random.Random(0).choices(range(10**9), k=999))


def gz(content: bytes) -> bytes:
    """The same bytes each time: they name a test, which two processes must call the same."""
    return gzip.compress(content, mtime=0)


def parquet(*, use_dictionary: bool = True, **columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, use_dictionary=use_dictionary)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "spec", "message"),
    [
        (b"", "in.csv", {}, "the file is empty"),
        (b"\xef\xbb\xbf \n\n", "in.txt", {}, "the file is empty"),
        (b"a,b\n1,2\n", "in.csv", {}, "there is no column 'text'; should be one of 'a', 'b'"),
        (b"a,b\n1,2\n", "in.csv", {"column": "c"}, "there is no column 'c'; should be one of 'a', 'b'"),
        (b"good\n", "in.txt", {"column": "c"}, "there is no column 'c'; should be one of 'text'"),
        (b"text,a\ngood,1\nbad\n", "in.csv", {}, "line 3: has 1 field; should have 2, as in the header"),
        (
            b"3,5\ngood,1\nbad\n",
            "in.csv",
            {"column": 1, "header": "no"},
            "line 3: has 1 field; should have 2, as in the first row",
        ),
        (
            b'text,a\n"x\ny",1\nbad,1,2\n',
            "in.csv",
            {},
            "line 4: has 3 fields; should have 2, as in the header: what has ',' in it should be in quotes",
        ),
        (
            b'text,a\ngood,1\n"bad,1\n\n',
            "in.csv",
            {"quote": "double"},
            "line 3: a quote opens here, and is closed nowhere, or not at the end of a field",
        ),
        (
            b'text,a\ngood,1\n"bad,1\nso,2\n"good, and bad",3\n',
            "in.csv",
            {},
            "line 3: a quote opens here, and is closed nowhere, or not at the end of a field",
        ),
        (
            b'text,a\n"a" b,1\n',
            "in.csv",
            {"quote": "double"},
            "line 2: ',' expected after '\"'; a quote inside a quoted field should be doubled",
        ),
        (
            b'text,a\n"a\\"" b,1\n',
            "in.csv",
            {"quote": "backslash"},
            "line 2: ',' expected after '\"'; a quote inside a quoted field should have a backslash",
        ),
        (
            b"text;a,b\n1;2,3\n",
            "in.csv",
            {"column": 1},
            "the columns may be separated by commas ('text;a', 'b') or separated by semicolons ('text', "
            "'a,b'); `delimiter` should say which",
        ),
        (
            b"good, day\ntext\n",
            "in.csv",
            {"skip_lines": 3},
            "the file has fewer than the 3 lines that are to be skipped",
        ),
        (
            b"2,1\n1,good\n",
            "in.csv",
            {"column": 2, "header": "yes"},
            "2 is the number of column '1' and the name of another one; should be \"2\" for the name "
            '(--column-name, --group-by-name), {"number": 2} for the number (--column-number, '
            "--group-by-number)",
        ),
        (
            b"id\ttext\n1\tgood\n2\tbad\n",
            "in.txt",
            {},
            "the file has 2 columns separated by tabs: 'id', 'text'; `column` should say which one has the "
            'texts, or `delimiter` be "none" to score whole lines',
        ),
        (
            b'{"text": "good"}\n{"text": "bad"}\n',
            "in.txt",
            {},
            "the file is called .txt and has JSON lines; `column` should be the key of the texts, or "
            '`delimiter` "none" to score whole lines',
        ),
        (
            b"text\ngood\nb\xe4d\n",
            "in.csv",
            {},
            "line 3: byte 2 is not UTF-8; if the file is in another encoding, set `encoding`",
        ),
        (b"text\ngood\0\n", "in.csv", {}, "line 2: has a zero byte; should be text"),
        (b'{"text": "x"}\n{"text": ', "in.jsonl", {}, "line 2: broken JSON at character 10: Expecting value"),
        (b'{"text": "x"}\n[1]\n', "in.jsonl", {}, 'line 2: should be a JSON object, as {"text": "…"}'),
        (
            b'{"text": "x", "n": nan}\n',
            "in.jsonl",
            {},
            "line 1: broken JSON at character 20: Expecting value",
        ),
        (b'{"text": "x", "n": 1e999}\n', "in.jsonl", {}, "line 1: broken JSON: 1e999 is too large"),
        (
            b'{"text": "x", "n": [{"a": -1e999}]}\n',
            "in.jsonl",
            {},
            "line 1: broken JSON: -1e999 is too large",
        ),
        (
            b'{"text": "x", "n": [' + b"1," * 600_000 + b"1]}",
            "in.jsonl",
            {},
            "line 1: has over 500,000 values; should have fewer",
        ),
        (
            b'{"text": "\\ud80"}\n',
            "in.jsonl",
            {},
            "line 1: broken JSON at character 12: Invalid \\uXXXX escape",
        ),
        (b'{"text": [5]}\n', "in.jsonl", {}, "line 1: the text is [5]; should be a string, a number or null"),
        (b'{"a": ' + b"[" * 100_000 + b"\n", "in.jsonl", {}, "line 1: broken JSON: nested too deeply"),
        (
            b'[{"text": "x"}, {"text": ["x"]}]',
            "in.json",
            {},
            'row 2: the text is ["x"]; should be a string, a number or null',
        ),
        (
            gz(gz(b"text\ngood\n")),
            "in.csv",
            {},
            "the file is compressed twice; should be once",
        ),
        (gz(LONG)[:-9], "in.csv", {}, "the file's gzip ends too early: it was truncated"),
        (
            gz(LONG)[:-8] + b"12345678",
            "in.csv",
            {},
            "the file's gzip is broken: its bytes were changed",
        ),
        (
            pa.compress(LONG, "zstd", asbytes=True)[:-9],
            "in.csv",
            {},
            "the file's zstd ends too early: it was truncated",
        ),
        (gz(b""), "in.csv.gz", {}, "the file is empty"),
        (gz(b"PK\x03\x04..."), "in.gz", {}, ZIP),
        (b"PK\x03\x04...", "in.csv", {}, ZIP),
        (
            "text\ngood\n".encode("utf-16"),
            "in.csv",
            {"encoding": "cp1252"},
            'the file is UTF-16; `encoding` should be "utf-16"',
        ),
        (
            "\ufefftext\nschön\n".encode(),
            "in.csv",
            {"encoding": "cp1252"},
            'the file is UTF-8; `encoding` should be "utf-8"',
        ),
        (
            b"text\ngood\nb\xe4d\n",
            "in.csv",
            {"encoding": "ascii"},
            "line 3: is not ascii; `encoding` should be that of the file",
        ),
        (b"a,b\n1,2\n", "in.csv", {"column": 3}, "there is no column 3; should be one of 'a', 'b'"),
        (b"text\n1\n", "in.csv", {"group_by": "a"}, "there is no column 'a'; should be one of 'text'"),
        (b"text\n1\n", "in.parquet", {}, "the file is called .parquet but is not Parquet"),
        (
            b"PAR1 and no more",
            "in.parquet",
            {},
            "the file is broken Parquet: it has no footer; it may have been truncated",
        ),
        (
            b"PARE\x2c\0\0\0....PARE",
            "in.parquet",
            {},
            "the file is encrypted Parquet; should not be encrypted",
        ),
        (
            parquet(text=pa.array([1, 2])),
            "in.parquet",
            {},
            "column 'text' is int64; should be strings",
        ),
        (
            parquet(text=pa.array(["good"]), tags=pa.array([["a"]])),
            "in.parquet",
            {"group_by": "tags"},
            "column 'tags' is list<element: string>; should be strings or numbers, to group by",
        ),
        (b"x" * (MAX_LINE + 1), "in.txt", {}, "line 1: is longer than 10,000,000 bytes"),
        (
            b"text,id\n" + b"x" * MAX_LINE + b",1\n",
            "in.csv",
            {},
            "line 2: is longer than 10,000,000 bytes",
        ),
        (
            b'text,id\n"' + b"x" * MAX_LINE + b'",1\n',
            "in.csv",
            {},
            "line 2: is longer than 10,000,000 bytes: a quote opens here and is not closed within them",
        ),
        (
            b"text,shop\n" + b"".join(b"good,%d\n" % number for number in range(10_001)),
            "in.csv",
            {"group_by": "shop"},
            "column 'shop' has over 10,000 values; should have fewer, to group by",
        ),
        (
            b"text,shop\ngood," + b"x" * 1_001,
            "in.csv",
            {"group_by": "shop"},
            "column 'shop' has values of 1,001 characters; to group by, they should have at most 1,000",
        ),
        (
            b",".join(b"c%d" % n for n in range(2_001)),
            "in.csv",
            {},
            "line 1: has 2,001 columns; should have at most 2,000",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(
    desk: Desk, content: bytes, name: str, spec: dict[str, Any], message: str
) -> None:
    with pytest.raises(WorkError) as raised:
        desk.score(content, name, **spec)
    assert raised.value.message == message
    assert not desk.output.exists()


def test_a_long_list_of_columns_is_cut(desk: Desk) -> None:
    with pytest.raises(WorkError, match=r"'c19' and 80 more$"):
        desk.score(",".join(f"c{n}" for n in range(100)) + "\n" + "," * 99 + "\n")


def test_a_mistake_in_the_last_line_leaves_nothing(desk: Desk) -> None:
    with pytest.raises(WorkError, match="line 5002"):
        desk.score("id,text\n" + "1,good\n" * 5_000 + "1\n")
    assert sorted(path.name for path in desk.folder.iterdir()) == ["source"]


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_compressed_bomb_is_refused_before_it_fills_the_disk(desk: Desk, packing: str) -> None:
    desk.limit = 1_000_000
    content = b"text\n" + b"good\n" * 2_000_000
    packed = gzip.compress(content) if packing == "gzip" else pa.compress(content, "zstd", asbytes=True)
    assert len(packed) < 20_000
    with pytest.raises(WorkError, match="unpacks to over 1,000,000 bytes; should unpack to fewer"):
        desk.score(packed)
    assert sorted(path.name for path in desk.folder.iterdir()) == ["source"]


def test_parquet_that_unpacks_to_too_much_is_refused(desk: Desk) -> None:
    desk.limit = 1_000_000
    texts = pa.array(["good " * 1_000] * 1_000)
    with pytest.raises(WorkError, match="over 1,000,000 bytes"):
        desk.score(parquet(text=texts, use_dictionary=False), "in.parquet")


def test_parquet_whose_dictionary_stands_for_gigabytes_is_read_in_small_batches(desk: Desk) -> None:
    long = pa.array(["x" * 900_000])
    pad = pa.DictionaryArray.from_arrays(pa.array(np.zeros(300, np.int32)), long).cast(pa.string())
    content = parquet(text=pa.array(["good"] * 300), pad=pad)
    assert len(content) < 100_000
    assert desk.score(content, "in.parquet")["rows"] == 300
    # Never more than 48 MB at once.
    assert max(step[0] for step in desk.notes.steps[:1]) <= 53


def test_parquet_with_texts_that_are_not_utf_8_names_the_row(desk: Desk) -> None:
    bad = pa.Array.from_buffers(pa.string(), 2, [None, *pa.array([b"good", b"b\xe4d"]).buffers()[1:]])
    with pytest.raises(WorkError, match="row 2: is not UTF-8"):
        desk.score(parquet(text=bad), "in.parquet")
    assert desk.score(parquet(text=bad), "in.parquet", errors="skip")["skipped"] == 1


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_parquet_with_any_byte_changed_is_read_or_refused(desk: Desk, data: st.DataObject) -> None:
    content = bytearray(parquet(text=pa.array(["good", "bad", None] * 20), n=pa.array(range(60))))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WorkError):
        desk.score(bytes(content), "in.parquet")


@given(
    st.binary(max_size=200), st.sampled_from(["in.csv", "in.jsonl", "in.txt", "in", "in.parquet", "in.gz"])
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_read_or_refused(desk: Desk, content: bytes, name: str) -> None:
    for start in (b"", b"text\n", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b'{"text": "'):
        with contextlib.suppress(WorkError):
            desk.score(start + content, name)
