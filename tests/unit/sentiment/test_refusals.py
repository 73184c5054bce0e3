"""A file that can't be scored is refused with the line, and with what would be right."""

import gzip
from typing import Any

import pytest

from shared.errors import WorkError
from tests.unit.sentiment.conftest import Desk
from workers.sentiment.readers import MAX_LINE


@pytest.mark.parametrize(
    ("content", "name", "spec", "message"),
    [
        (b"", "in.csv", {}, "the file is empty"),
        (b"\xef\xbb\xbf \n\n", "in.txt", {}, "the file is empty"),
        (b"text,id\n", "in.csv", {}, "the file has no rows"),
        (b"a,b\n1,2\n", "in.csv", {}, "there is no column 'text'; should be one of 'a', 'b'"),
        (b"a,b\n1,2\n", "in.csv", {"column": "c"}, "there is no column 'c'; should be one of 'a', 'b'"),
        (b"good\n", "in.txt", {"column": "c"}, "there is no column 'c'; should be one of 'text'"),
        (b"text,a\ngood,1\nbad\n", "in.csv", {}, "line 3: has 1 fields; should have 2, as the header has"),
        (
            b'text,a\n"x\ny",1\nbad,1,2\n',
            "in.csv",
            {},
            "line 4: has 3 fields; should have 2, as the header has",
        ),
        (b'text,a\ngood,1\n"bad,1\n\n', "in.csv", {}, "line 3: a quote opens here and is never closed"),
        (
            b'text,a\n"a" b,1\n',
            "in.csv",
            {},
            "line 2: ',' expected after '\"'; a quote inside a quoted field should be doubled",
        ),
        (
            b"text,a\rgood,1\r",
            "in.csv",
            {},
            "line 1: a carriage return outside quotes; lines should end with LF or CRLF",
        ),
        (
            b"text,a,a\n1,2,3\n",
            "in.csv",
            {},
            "line 1: two columns are called 'a'; each should have its own name",
        ),
        (
            b"id;text\n1;good\n",
            "in.csv",
            {},
            "line 1: the columns of 'id;text' should be separated by commas",
        ),
        (b"text\ngood\nb\xe4d\n", "in.csv", {}, "line 3: byte 2 is not UTF-8; the file should be UTF-8"),
        (b"text\ngood\0\n", "in.csv", {}, "line 2: has a zero byte; should be text"),
        (b'{"text": "x"}\n{"text": ', "in.jsonl", {}, "line 2, column 10: broken JSON: Expecting value"),
        (b'{"text": "x"}\n[1]\n', "in.jsonl", {}, 'line 2: should be a JSON object, as {"text": "…"}'),
        (b'{"text": "x", "n": NaN}\n', "in.jsonl", {}, "line 1: broken JSON: NaN is not JSON"),
        (b'{"text": "x", "n": 1e999}\n', "in.jsonl", {}, "line 1: broken JSON: 1e999 is too large"),
        (b'{"text": "\\ud800"}\n', "in.jsonl", {}, "line 1: broken JSON: half of a surrogate pair"),
        (b'{"text": 5}\n', "in.jsonl", {}, "line 1: the text is 5; should be a string or null"),
        (b'{"a": ' + b"[" * 100_000 + b"\n", "in.jsonl", {}, "line 1: broken JSON: nested too deeply"),
        (
            b'[{"text": "x"}]',
            "in.json",
            {},
            "line 1: should be JSON lines, one object per line, and not one array",
        ),
        (gzip.compress(b"text\ngood\n"), "in.csv", {}, "the file is compressed (gzip); unpack it first"),
        (
            b"PK\x03\x04...",
            "in.csv",
            {},
            "the file is a zip archive or a workbook; should be CSV, JSONL or plain text",
        ),
        ("text\ngood\n".encode("utf-16"), "in.csv", {}, "the file is UTF-16; should be UTF-8"),
        (b"x" * (MAX_LINE + 1), "in.txt", {}, "line 1: is longer than 10,000,000 bytes"),
        (
            b"text\n" + b"x" * 200_001,
            "in.csv",
            {},
            "line 2: the text has 200,001 characters; should have at most 200,000",
        ),
        (
            b",".join(b"c%d" % n for n in range(1_001)),
            "in.csv",
            {},
            "line 1: has 1,001 columns; should have at most 1,000",
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


def test_a_mistake_in_the_last_line_is_found_before_anything_is_scored(desk: Desk) -> None:
    with pytest.raises(WorkError, match="line 5002"):
        desk.score("id,text\n" + "1,good\n" * 5_000 + "1\n")
    assert desk.notes.phases == ["reading"]
