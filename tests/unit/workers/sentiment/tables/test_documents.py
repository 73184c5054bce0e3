"""JSON as it comes: lines, arrays, objects with an array in them, objects over several lines."""

import contextlib
import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.sentiment.tables import window
from jobyard.workers.sentiment.tables.contents import HEAD_BYTES
from jobyard.workers.sentiment.tables.elements import Elements, Place
from tests.unit.workers.sentiment.conftest import Desk

ROWS = [{"text": "a good day", "n": 1}, {"text": None}, {"text": 'bad }{][" \\', "tags": [{"a": [1]}]}]


def layouts(rows: list[Any]) -> dict[str, str]:
    lines = [json.dumps(row) for row in rows]
    return {
        "array": json.dumps(rows),
        "array over lines": json.dumps(rows, indent=2),
        "array of lines": "[\n" + ",\n".join(lines) + "\n]\n",
        "array of lines that commas begin": "[" + "\n,".join(lines) + "]",
        "object": json.dumps({"meta": {"count": 3}, "rows": rows, "next": None}),
        "object over lines": json.dumps({"rows": rows}, indent=1),
        "array within objects": json.dumps({"response": {"status": [200], "docs": rows}}),
        "objects over lines": "\n".join(json.dumps(row, indent=2) for row in rows),
        "objects in one line": "".join(lines),
        "objects with commas": ",\n".join(lines),
        "windows": "[\r\n" + ",\r\n".join(lines) + "\r\n]\r\n",
        "byte order mark": "\ufeff" + json.dumps(rows, indent=2),
    }


@pytest.mark.parametrize("layout", layouts(ROWS))
@pytest.mark.parametrize("name", ["in.json", "in.jsonl", "in"])
def test_rows_are_the_same_however_they_are_laid_out(desk: Desk, layout: str, name: str) -> None:
    result = desk.score(layouts(ROWS)[layout], name, format="jsonl")
    assert (result["rows"], result["nulls"]) == (3, 1)
    assert result["read_as"]["format"] == "json"
    found = desk.jsonl()
    assert [{key: row[key] for key in given} for row, given in zip(found, ROWS, strict=True)] == ROWS


def test_values_are_written_as_they_were(desk: Desk) -> None:
    desk.score('[\n{"text": "good",\r\n "n": 1.50, "m": 1e2}]', "in.json", format="jsonl")
    assert desk.output.read_bytes().startswith(b'{"text": "good",  "n": 1.50, "m": 1e2, "neg"')


def test_an_array_of_strings_is_one_of_texts(desk: Desk) -> None:
    assert desk.score('["good", null,\n"bad"]', "in.json", format="jsonl")["rows"] == 3
    assert [row["text"] for row in desk.jsonl()] == ["good", None, "bad"]


@pytest.mark.parametrize("content", ["[]", " [ \n] "])
@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_an_empty_array_has_no_rows(desk: Desk, content: str, format: str) -> None:  # noqa: A002
    result = desk.score(content, "in.json", column="says", format=format)
    assert (result["rows"], result["column"]) == (0, "says")
    assert getattr(desk, format)() == []


def test_what_is_left_out_beside_the_rows_is_said(desk: Desk) -> None:
    result = desk.score(layouts(ROWS)["object"], "in.json")
    assert result["read_as"]["rows_of"] == "rows"
    assert result["warnings"] == [
        "the rows are the objects in 'rows'; what is beside it is left out: 'meta', 'next'"
    ]


@pytest.mark.parametrize("column", ["text", "a.text", 2])
def test_an_array_s_name_may_be_part_of_the_column_s(desk: Desk, column: str | int) -> None:
    content = '{"a": [{"id": 1, "text": "good"}], "n": 2}'
    assert desk.score(content, "in.json", column=column)["column"] == "text"


def test_of_several_arrays_the_column_says_which(desk: Desk) -> None:
    content = '{"a": [{"text": "good"}], "b": [{"text": "bad"}]}'
    with pytest.raises(WorkError, match=r"several arrays of objects: 'a', 'b'; `column` should say which"):
        desk.score(content, "in.json")
    assert desk.score(content, "in.json", column="b.text")["labels"]["negative"] == 1


def test_of_several_arrays_the_one_whose_rows_have_the_column_is_meant(desk: Desk) -> None:
    content = json.dumps({"users": [{"id": 1}], "page": {"reviews": [{"body": {"en": "bad"}}]}, "tags": []})
    result = desk.score(content, "in.json", column="body.en")
    assert (result["labels"]["negative"], result["read_as"]["rows_of"]) == (1, "page.reviews")
    assert result["warnings"] == [
        "the rows are the objects in 'page.reviews'; what is beside it is left out: 'users', 'tags'"
    ]


@pytest.mark.parametrize("column", [None, "text", "data.text"])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_whose_only_array_is_empty_has_no_rows(
    desk: Desk, column: str | None, indent: int | None
) -> None:
    content = json.dumps({"data": [], "meta": {"count": 0}}, indent=indent)
    result = desk.score(content, "in.json", column=column)
    assert (result["rows"], result["column"]) == (0, "text")
    assert result["warnings"] == ["'data' is an empty array, so there are no rows"]


def test_an_object_with_words_and_an_empty_array_is_a_row_of_another_column(desk: Desk) -> None:
    with pytest.raises(WorkError, match="there is no column 'text'; should be one of 'txt', 'tags'"):
        desk.score('{"txt": "so good", "tags": []}', "in.json")


def test_byte_order_marks_of_files_that_were_put_together_are_no_text(desk: Desk) -> None:
    assert desk.score('\ufeff{"text": "good"}\n\ufeff{"text": "bad"}\n', "in.jsonl")["rows"] == 2


def test_an_object_with_a_text_and_an_empty_array_is_a_row(desk: Desk) -> None:
    for column in ("text", 1):
        assert desk.score('{"text": "good", "tags": []}', "in.json", column=column)["rows"] == 1


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        ('[{"text": "a"} {"text": "b"}]', "commas are missing between the array's elements (1 in all, "),
        ('[{"text": "a"},\n,{"text": "b"},]', "commas of the array have no element before them (1 in all, "),
    ],
)
@pytest.mark.parametrize("block", [3, 1_000])
def test_commas_that_are_not_where_they_should_be_are_said(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, content: str, warning: str, block: int
) -> None:
    from jobyard.workers.sentiment.tables import elements

    monkeypatch.setattr(elements, "BLOCK_BYTES", block)
    result = desk.score(content, "in.json")
    assert result["rows"] == 2
    line = content.count("\n") + 1
    assert result["warnings"] == [f"{warning}the first on line {line})"]


def test_an_object_that_ends_too_early_after_its_rows_is_said(desk: Desk) -> None:
    content = '{\n"data": [\n{"text": "good"}\n],\n"users": [{"na'
    cut = "the object that the rows are in is not closed; the file may have been truncated"
    with pytest.raises(WorkError) as raised:
        desk.score(content, "in.json")
    assert raised.value.message == cut
    assert cut in desk.score(content, "in.json", errors="skip")["warnings"]


def test_sequences_and_archives_of_twitter_are_read(desk: Desk) -> None:
    sequence = "".join(f"\x1e{json.dumps(row)}\n" for row in ROWS)
    assert desk.score(sequence, "in.json-seq", format="jsonl")["rows"] == 3
    archive = "window.YTD.tweets.part0 = " + json.dumps([{"tweet": row} for row in ROWS], indent=1) + ";\n"
    result = desk.score(archive, "tweets.js", column="tweet.text")
    assert (result["rows"], result["nulls"]) == (3, 1)


def test_strings_on_lines_are_texts(desk: Desk) -> None:
    desk.score('"so\\ngood"\n\n"bad"\n', "in.jsonl", format="jsonl")
    assert [row["text"] for row in desk.jsonl()] == ["so\ngood", "bad"]


def test_control_characters_in_strings_are_read_and_counted(desk: Desk) -> None:
    result = desk.score('[\n{"text": "a good\nday\t", "n":\t1}]', "in.json", format="jsonl")
    assert [row["text"] for row in desk.jsonl()] == ["a good\nday\t"]
    assert result["warnings"] == [
        "control characters in strings, which JSON has not, were read as they are (2 in all)"
    ]


COLUMNS = "the file is one object of columns, as pandas' to_json() writes it; should be rows, as "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"text": ["good", "bad"], "id": [1, 2]}, COLUMNS),
        ({"text": {"0": "good", "1": "bad"}}, COLUMNS),
        ({"columns": ["text"], "index": [0], "data": [["good"]]}, COLUMNS),
        ({"-Ma": {"text": "good"}, "-Mb": {"text": "bad"}}, "the file is one object of rows by their keys"),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_tables_that_are_no_rows_are_refused_with_what_makes_them_so(
    desk: Desk, content: Any, message: str, indent: int | None
) -> None:
    with pytest.raises(WorkError) as raised:
        desk.score(json.dumps(content, indent=indent), "in.json")
    assert raised.value.message.startswith(message)


def test_an_object_with_a_text_is_a_row_whatever_is_in_it(desk: Desk) -> None:
    content = '{"text": "good", "entities": [{"text": "bad"}]}'
    assert desk.score(content, "in.json")["labels"]["positive"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "line 1: the array holds numbers; should hold objects or strings"),
        ("[\n[1]]", "line 2: the array holds arrays; should hold objects or strings"),
        ("[ // reviews\n]", "line 1: broken JSON at '//': JSON has no comments"),
        ('[{"text": "x"}:{}]', "line 1: a colon is in the array; should be a comma"),
        ('[{"text": "x"}}', "line 1: the array is closed by a brace; should be by a bracket"),
        (
            "[{'text': 'x'}]",
            "line 1: broken JSON at character 2: Expecting property name enclosed in double quotes, "
            "not single ones, as Python writes them",
        ),
        (
            "// rows\n[]",
            "the file is called .json but is no JSON, which begins with { or [: it begins '// rows'",
        ),
        ('[{"text": "x"}\n', "line 2: the array is not closed; the file may have been truncated"),
        ('[{"text": "x"}]\n[]', "line 2: more comes after the end of the array; should be one"),
        (
            '[{"text": "x"},\n {"text": {"a": 1}}]',
            'line 2: the text is {"a": 1}; should be a string, a number or null',
        ),
        ('[{"text": "x"}, {"text": []}]', "row 2: the text is []; should be a string, a number or null"),
        ('[\n {\n  "text": x\n }]', "line 3: broken JSON at character 11: Expecting value"),
        ('{"a": 1}\n}', "line 2: broken JSON at character 1: Expecting value"),
    ],
)
def test_what_is_wrong_is_named_where_it_is(desk: Desk, content: str, message: str) -> None:
    with pytest.raises(WorkError) as raised:
        desk.score(content, "in.json")
    assert raised.value.message == message


def test_broken_objects_are_skipped_and_an_array_without_end_is_said(desk: Desk) -> None:
    content = '[{"text": "good"},\n {"text": oops},\n {"text": "bad"},\n {"text": "cu'
    result = desk.score(content, "in.json", errors="skip")
    assert (result["rows"], result["skipped"]) == (2, 2)
    assert [one["line"] for one in result["errors"]["first"]] == [2, 4]
    assert result["warnings"] == ["line 4: the array is not closed; the file may have been truncated"]


@pytest.mark.parametrize(
    "content", ["[Chorus] la la\n", "[1] a footnote\n", "{not json}\n", '["so", she said]\n', '{"a": 1} x\n']
)
def test_text_with_a_bracket_is_text(desk: Desk, content: str) -> None:
    assert desk.score(content * 3, "in.txt")["read_as"]["format"] == "lines"


def test_a_broken_first_line_makes_no_document_of_json_lines(desk: Desk) -> None:
    for broken in ('{"text": ', '{"text": "good', '{"text": {"a": 1}', "{"):
        result = desk.score(f'{broken}\n{{"text": "x"}}\n{{"text": "y"}}\n', "in.jsonl", errors="skip")
        assert (result["rows"], result["skipped"]) == (2, 1)


def test_a_first_row_longer_than_what_is_looked_at_first(desk: Desk) -> None:
    long = {"text": "good " * 30_000}
    for content in (json.dumps([long, long]), json.dumps({"rows": [long, long]})):
        assert desk.score(content, "in.json")["read_as"]["format"] == "json"
    assert desk.score(f"{json.dumps(long)}\n{json.dumps(long)}\n", "in.json")["read_as"]["format"] == "jsonl"


def test_rows_longer_than_a_line_may_be_are_reported(desk: Desk) -> None:
    content = f'[{{"text": "{"x" * window.MAX_LINE}"}},\n{{"text": "good"}}]'
    result = desk.score(content, "in.json", errors="skip")
    assert (result["rows"], result["skipped"]) == (1, 1)


def test_memory_does_not_grow_with_the_array() -> None:
    class Endless(io.RawIOBase):
        row = b'{"text": "' + b"a good day " * 20 + b'", "n": [1, 2, {"a": "}"}]},\n'
        size = 200_000

        def seek(self, at: int, _: int = 0) -> int:
            self.at = at
            return at

        def read(self, size: int = -1) -> bytes:
            begin = self.at % len(self.row)
            left = self.size * len(self.row) - self.at
            return (self.row * (size // len(self.row) + 2))[begin : begin + min(size, left)]

    elements = Elements(Endless(), Place(0, 1), NoProgress(), 1_000)
    next(iter(elements))  # compiled
    tracemalloc.start()
    try:
        assert sum(1 for _ in Elements(Endless(), Place(0, 1), NoProgress(), 1_000)) == Endless.size
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
plain = st.none() | st.text(max_size=20) | st.integers() | st.booleans()
rows = st.lists(
    st.fixed_dictionaries({"text": plain}, optional={"a": values, "b.c": values, "é": values}),
    min_size=1,
    max_size=8,
)


@given(rows=rows, layout=st.sampled_from(sorted(layouts([]))), block=st.integers(1, 60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_every_row_of_any_layout_comes_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], layout: str, block: int
) -> None:
    from jobyard.workers.sentiment.tables import elements

    with monkeypatch.context() as patch:
        patch.setattr(elements, "BLOCK_BYTES", block)
        result = desk.score(layouts(rows)[layout], "in.json", format="jsonl")
    assert result["rows"] == len(rows)
    assert [{key: row[key] for key in given} for row, given in zip(desk.jsonl(), rows, strict=True)] == rows


@given(
    content=st.text(alphabet='{}[]":,\\ \n1atextNn', max_size=60),
    start=st.sampled_from(["[", "{", '[{"', '{"a":[{"']),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_any_brackets_are_read_or_refused(desk: Desk, content: str, start: str) -> None:
    for errors in ("fail", "skip"):
        with contextlib.suppress(WorkError):
            result = desk.score(start + content, "in.json", errors=errors)
            assert sum(result["labels"].values()) + result["nulls"] == result["rows"]


@pytest.mark.parametrize("last", ['"', '" ', '", ', '", "bad \\', '", "bad'])
def test_an_array_of_strings_is_one_wherever_its_head_ends(desk: Desk, last: str) -> None:
    begin = '["good", "'
    content = begin + "x" * (HEAD_BYTES - len(begin) - len(last)) + last
    content += {'"': ', "bad"]', '" ': ', "bad"]', '", ': '"bad"]', '", "bad': '"]'}.get(last, 'n"]')
    result = desk.score(content, "in")
    assert (result["rows"], result["read_as"]["format"]) == (3, "json")


def test_what_is_no_array_of_strings_takes_no_longer(desk: Desk) -> None:
    """A quadratic search would take minutes."""
    content = '["good", ' + " " * (HEAD_BYTES - 100) + '"bad" and "more' + "x" * 100
    assert desk.score(content, "in")["read_as"]["format"] == "lines"


def test_objects_within_objects_are_read_a_few_times_only(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of objects by their ids has an object for each row: to read it anew for each takes minutes."""
    reads: list[int] = []
    read = Elements._read

    def counted(elements: Elements, position: int) -> bytes:
        reads.append(position)
        return read(elements, position)

    monkeypatch.setattr(Elements, "_read", counted)
    rows = {f"id {number}": {"user": {"name": "x"}, "text": "good"} for number in range(1_000)}
    with pytest.raises(WorkError, match=r"^the file is one object of rows by their keys"):
        desk.score(json.dumps(rows), "in.json")
    assert len(reads) < 1_000
