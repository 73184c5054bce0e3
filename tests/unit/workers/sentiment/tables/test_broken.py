"""Rows that are broken are left out as fast as others are read, and the report of them is that of `fail`."""

import gzip
import io
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared.errors import Cancelled, WorkError
from jobyard.workers.sentiment.tables import kernels
from jobyard.workers.sentiment.tables.broken import SHOWN
from jobyard.workers.sentiment.tables.window import BLOCK_BYTES
from tests.reports import NoMetrics
from tests.unit.workers.sentiment.conftest import Desk

GOOD = b"this is a good film,1"
# Each of one line, so that the lines after it are rows of their own.
BROKEN = [
    b"this is a good film",
    b"this is a good film,1,2",
    b'"this is" a good film,1',
    b'"this is"\r a good film,1',
    b"this is a g\xf6\xf6d film,1",
    b"a cut character \xe2\x82,1",
    b"half a pair \xed\xa0\x80,1",
    b"a zero byte \0 in it,1",
]
BROKEN_JSON = [
    b'{"text": "good}',
    b'{"text": {"a": 7}}',
    b'{"text": ["good"]}',
    b'{"text": "good", "a": 1e999}',
    b'{"text": "good", "a": [1e999]}',
    b'{"text": "good", "a": nan}',
    b'{"text": "\\ud80"}',
    b'{"text": "good", "a": ["\\udc0"]}',
    b'{"text": "g\xf6\xf6d"}',
    b'{"text": "go\0od"}',
    b'{"text": "good"} x',
    b"[]",
    b"[" * 300,
    b"x",
    b"7",
]


def parquet(texts: list[bytes | None]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"text": pa.array(texts, pa.binary()).view(pa.string())}), file)
    return file.getvalue()


def refusals(desk: Desk, lines: list[bytes], name: str, header: list[bytes]) -> list[dict[str, Any]]:
    """What `fail` says of each broken line, the others that are broken being made blank in turn."""
    found: dict[int, str] = {}
    lines = list(lines)
    while (message := refusal(desk, b"\n".join(header + lines), name)) is not None:
        line, error = re.fullmatch(r"line (\d+): (.*)", message).groups()
        found[int(line)] = error
        lines[int(line) - 1 - len(header)] = b""
    return [{"line": line, "error": found[line]} for line in sorted(found)]


def refusal(desk: Desk, content: bytes, name: str) -> str | None:
    try:
        desk.score(content, name, column="text", quote="double")
    except WorkError as error:
        return error.message
    return None


@pytest.mark.parametrize(
    ("name", "header", "good", "broken"),
    [
        ("in.csv", [b"text,a"], GOOD, BROKEN),
        ("in.jsonl", [], b'{"text": "a good film", "a": [1, {"b": 2.5}]}', BROKEN_JSON),
    ],
)
def test_skipped_rows_are_reported_as_each_would_fail_the_file(
    desk: Desk, name: str, header: list[bytes], good: bytes, broken: list[bytes]
) -> None:
    lines = [good]
    for one in broken:
        lines += [one, good, one]
    result = desk.score(b"\n".join(header + lines), name, errors="skip", column="text", quote="double")
    assert result["errors"] == {"count": 2 * len(broken), "first": refusals(desk, lines, name, header)}
    assert result["rows"] == 1 + len(broken)


def test_broken_rows_beyond_those_reported_are_judged_alike(desk: Desk) -> None:
    """They are looked at more quickly: nothing of them is to be said."""
    odd = [
        b'{"text": "good", "a": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"text": "good", "a": 1.5, "b": [1, 2]}',
        '{"text": "grün"}'.encode(),
        b'{"text": null}',
        b'{"text": "caf\\u00e9"}',
        b" {} \r",
    ]
    blank = [b"", b"  \r", "\u2003".encode()]
    lines = [b"x"] * SHOWN + [line for one in BROKEN_JSON for line in (one, *odd, *blank)]
    result = desk.score(b"\n".join(lines), "in.jsonl", errors="skip", column="text", format="jsonl")
    assert result["errors"]["count"] == SHOWN + len(BROKEN_JSON)
    assert [one["line"] for one in result["errors"]["first"]] == list(range(1, SHOWN + 1))
    assert result["rows"] == len(odd) * len(BROKEN_JSON)
    assert [row.get("text") for row in desk.jsonl()][: len(odd)] == [
        *("good", "good", "grün", None, "café", None)
    ]


@given(st.lists(st.one_of(st.binary(max_size=6), st.text(max_size=4).map(str.encode)), max_size=20))
@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_bytes_are_flagged_where_python_can_not_decode_them(rows: list[bytes]) -> None:
    ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
    starts = ends - [len(row) for row in rows] if rows else ends
    buffer = np.frombuffer(b"".join(rows), np.uint8)
    for allows_zero in (True, False):
        flags = np.zeros(len(rows), np.bool_)
        kernels.flawed(buffer, starts, ends, allows_zero, flags)
        assert flags.tolist() == [is_flawed(row, allows_zero=allows_zero) for row in rows]


def is_flawed(row: bytes, *, allows_zero: bool) -> bool:
    try:
        row.decode()
    except UnicodeDecodeError:
        return True
    return b"\0" in row and not allows_zero


@pytest.mark.parametrize("name", ["in.txt", "in.csv"])
def test_broken_bytes_at_the_end_of_a_file_are_found(desk: Desk, name: str) -> None:
    result = desk.score(b"text\ngood\nbad \xe2\x82", name, errors="skip", column="text")
    assert result["errors"]["first"] == [
        {"line": 3, "error": "byte 5 is not UTF-8; if the file is in another encoding, set `encoding`"}
    ]


def test_flawed_texts_of_parquet_are_left_out(desk: Desk) -> None:
    result = desk.score(
        parquet([None, b"good", b"b\xf6se", b"a zero byte \0 is text here", b"\xff", b"", b"bad"]),
        "in.parquet",
        errors="skip",
    )
    assert result["errors"] == {
        "count": 2,
        "first": [{"line": 3, "error": "is not UTF-8"}, {"line": 5, "error": "is not UTF-8"}],
    }
    assert [row["text"] for row in desk.parquet()] == [
        *(None, "good", "a zero byte \0 is text here", "", "bad")
    ]


def test_carriage_returns_at_the_end_of_a_line_are_no_text(desk: Desk) -> None:
    assert desk.score(b"good\r\r\n" + b"\r" * 1_000_000 + b"\nbad\r\n\r", "in.txt")["rows"] == 4
    assert [row["text"] for row in desk.parquet()] == ["good", "", "bad", ""]


BLOCKS = 3
COUNT = BLOCKS * BLOCK_BYTES // 10


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(b"text,a\n" + GOOD + b"\n" + b"too short\n" * COUNT, "in.csv", id="ragged"),
        pytest.param(b"text,a\n" + GOOD + b"\n" + b'"quot" ed\n' * COUNT, "in.csv", id="quotes"),
        pytest.param(b"text,a\n" + GOOD + b"\n" + b"a f\xf6\xf6l,12\n" * COUNT, "in.csv", id="latin1.csv"),
        pytest.param(b"text,a\n" + GOOD + b"\n" + b"\n" * 10 * COUNT, "in.csv", id="blank"),
        pytest.param(b"good\n" + b"a f\xf6\xf6l---\n" * COUNT, "in.txt", id="latin1.txt"),
        pytest.param(b"good\n" + b"\r" * 10 * COUNT, "in.txt", id="returns"),
        pytest.param(b"good\n" + b"-" * 10 * COUNT, "in.txt", id="one line"),
        pytest.param(b'{"text": "good"}\n' + b"{broken}\n\n" * COUNT, "in.jsonl", id="jsonl"),
    ],
)
def test_a_file_of_broken_rows_is_checked_for_a_cancel_in_every_block(
    desk: Desk, content: bytes, name: str
) -> None:
    """Reading once and scoring once: both look, however few rows come of it."""

    class Scoring(NoMetrics):
        checks = 0

        def check(self, *, waiting: bool = False) -> None:
            self.checks += self.phases[-1:] == ["scoring"]
            if self.checks == BLOCKS:
                raise Cancelled

    desk.notes = Scoring()
    with pytest.raises(Cancelled):
        desk.score(content, name, errors="skip")


def test_broken_json_is_checked_for_a_cancel_between_a_few_lines(desk: Desk) -> None:
    desk.notes = NoMetrics(stop_at_check=20)
    with pytest.raises(Cancelled):
        desk.score(b"x\n" * 50_000, "in.jsonl", errors="skip")


def test_empty_members_of_gzip_are_checked_for_a_cancel(desk: Desk) -> None:
    desk.notes = NoMetrics(stop_at_check=100)
    with pytest.raises(Cancelled):
        desk.score(gzip.compress(b"good\n") + gzip.compress(b"") * 200, "in.txt.gz")


def test_empty_frames_of_zstd_are_checked_for_a_cancel(desk: Desk) -> None:
    zstd = pa.Codec("zstd")
    frames = zstd.compress(b"good\n", asbytes=True) + zstd.compress(b"", asbytes=True) * 100_000
    desk.notes = NoMetrics(stop_at_check=5)
    with pytest.raises(Cancelled):
        desk.score(frames, "in.txt.zst")


def test_texts_that_go_through_nltk_are_checked_for_a_cancel_one_by_one(desk: Desk) -> None:
    from jobyard.workers.sentiment.vader.bulk import BulkScorer
    from jobyard.workers.sentiment.vader.scorer import Scorer

    desk.bulk = BulkScorer(Scorer(words={"σας": 2.0}))
    desk.notes = NoMetrics(stop_at_check=50)
    with pytest.raises(Cancelled):
        desk.score("ΣΑΣ\n" * 100, "in.txt")


def test_every_page_of_parquet_is_counted_against_the_limit_and_checked(desk: Desk) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"text": ["good"] * 100_000}), file, use_dictionary=False, data_page_size=1_000)
    desk.notes = NoMetrics(stop_at_check=50)
    with pytest.raises(Cancelled):
        desk.score(file.getvalue(), "in.parquet")
    desk.notes, desk.limit = NoMetrics(), 1_000
    with pytest.raises(WorkError, match="unpacks to over 1,000 bytes"):
        desk.score(file.getvalue(), "in.parquet")
    assert len(desk.notes.of("check")) < 10
