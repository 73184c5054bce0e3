"""Tables with what people and programs put around them, and what only looks like a table."""

from typing import Any

import pytest

from jobyard.shared.errors import WorkError
from tests.unit.workers.sentiment.conftest import Desk


def texts(desk: Desk, column: str = "text") -> list[Any]:
    return [row[column] for row in desk.parquet()]


# ---- around the table


@pytest.mark.parametrize("mark", ["#", "%", "//", "--"])
@pytest.mark.parametrize("column", ["text", 2])
def test_comments_before_a_header_may_have_delimiters(desk: Desk, mark: str, column: str | int) -> None:
    result = desk.score(f"{mark} made by us, on Monday\nid,text\n1,good\n2,bad\n", column=column)
    assert texts(desk) == ["good", "bad"]
    assert result["warnings"] == [
        f"1 line is left out before the header on line 2: '{mark} made by us, on Monday'"
    ]


@pytest.mark.parametrize("first", ["# id", "#id"])
def test_a_header_may_begin_as_a_comment(desk: Desk, first: str) -> None:
    desk.score(f"{first},text\n1,good\n2,bad\n", column=2)
    assert texts(desk) == ["good", "bad"]


def test_a_title_in_a_spreadsheets_first_cell_is_no_header(desk: Desk) -> None:
    desk.score("Reviews of May,,\n,,\nid,text,n\n1,good,5\n2,bad,4\n", column=2)
    assert texts(desk) == ["good", "bad"]
    desk.score("text,,\ngood,1,2\nbad,2,3\n", column=1)
    assert texts(desk) == ["good", "bad"]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("| id | text |\n|----|:----:|\n| 1 | good |\n| 2 | bad |\n", "in.md"),
        ("id|text\n---|---\n1|good\n2|bad\n", "in.csv"),
        ("id,text\n--,----\n1,good\n2,bad\n", "in.csv"),
    ],
)
def test_a_line_of_dashes_below_a_header_is_no_row(desk: Desk, content: str, name: str) -> None:
    result = desk.score(content, name, column="text")
    column = next(column for column in desk.parquet()[0] if column.strip() == "text")
    assert [text.strip() for text in texts(desk, column)] == ["good", "bad"]
    assert result["warnings"][0] == "line 2 is left out: it has dashes only, as Markdown has below a header"
    with pytest.raises(WorkError, match="line 5: has 1 field"):
        desk.score("id,text\n--,----\n1,good\n2,bad\n(2 rows)\n")
    desk.score("text\n----\ngood\n")
    assert texts(desk) == ["----", "good"]


def test_postgres_mark_at_the_end_is_no_row(desk: Desk) -> None:
    for content in (
        "id\ttext\n1\tgood\n2\t\\N\n\\.\n",
        "id,text\n1,good\n2,\n\\.\r\n",
        "id,text\n1,good\n2,\n\x1a",  # that of DOS
    ):
        result = desk.score(content)
        assert (result["rows"], result["nulls"], texts(desk)[0]) == (2, 1, "good")


def test_lines_of_spaces_are_blank(desk: Desk) -> None:
    result = desk.score("id,text\n1,good\n   \n2,bad\n  ")
    assert (texts(desk), result["skipped"]) == (["good", "bad"], 0)
    desk.score("text\n  \ngood\n")
    assert texts(desk) == ["  ", "good"]


@pytest.mark.parametrize("last", ["bad,2,c", "bad,2"])
def test_a_header_that_comes_again_is_mentioned(desk: Desk, last: str) -> None:
    header = "text,n,text" if last.endswith("c") else "text,n"
    result = desk.score(f"{header}\n{last}\n{header}\n{last}\n{header}\n{last}\n")
    assert texts(desk) == ["bad", "text", "bad", "text", "bad"]
    assert result["warnings"][-1] == (
        "2 rows have the names of the columns once more, and are scored as texts"
    )
    assert desk.score("text,n\ntext,5\n")["warnings"] == []


# ---- the first row


def test_what_stands_for_no_value_is_no_name(desk: Desk) -> None:
    for null in ("\\N", "NA", "NULL"):
        assert desk.score(f"1\tgood\t{null}\n2\tbad\t5\n3\tugly\t4\n", column=2)["rows"] == 3


def test_a_question_above_answers_is_a_name(desk: Desk) -> None:
    question = "What did you like about the thing that we made for you?"
    result = desk.score(f'{question}\n"All of it, good"\nNothing\n')
    assert (texts(desk, question), len(result["warnings"])) == (["All of it, good", "Nothing"], 1)
    result = desk.score(f"{question}\nAnd what did you not like?\nNothing\n")
    assert result["rows"] == 3


def test_a_name_that_is_missing_for_want_of_a_header_says_so(desk: Desk) -> None:
    with pytest.raises(
        WorkError, match="the first line is read as data; if it has names, set `header` to yes"
    ):
        desk.score("1,good phone,5\n2,bad,4\n", column="text")


# ---- delimiters


def test_commas_of_sentences_are_letters_below_one_name(desk: Desk) -> None:
    content = "text\ngood, really good phone\nbad\n10,000 times, well, ok\n"
    result = desk.score(content)
    assert texts(desk) == ["good, really good phone", "bad", "10,000 times, well, ok"]
    assert result["warnings"] == [
        "the header has one name, so commas are read as letters; if they are between fields, set `delimiter`"
    ]
    assert "delimiter" not in result["read_as"]
    desk.score('text\ngood, really\n"so ""bad"", no"\n', column=1)
    assert texts(desk) == ["good, really", 'so "bad", no']
    for content in ("text\ngood,1\nbad,2\n", "text\ngood, 1\nbad, 2\n", "text\nbad,x\ngood\n"):
        with pytest.raises(WorkError, match="line 2: has 2 fields; should have 1"):
            desk.score(content)


def test_commas_within_numbers_are_no_delimiters(desk: Desk) -> None:
    result = desk.score("good phone;3,5\nbad;1,0\nugly;2,25\n", column=1)
    assert (result["read_as"]["delimiter"], texts(desk, "column_1")) == (";", ["good phone", "bad", "ugly"])


def test_commas_of_sentences_are_less_likely_than_other_delimiters(desk: Desk) -> None:
    for delimiter in (";", "|", "\t"):
        rows = ["1;good, day, a", "2;bad, so, b", "3;x, y, z"]
        desk.score("\n".join(rows).replace(";", delimiter), column=2)
        assert texts(desk, "column_2") == ["good, day, a", "bad, so, b", "x, y, z"]


def test_a_name_within_one_column_asks_for_the_delimiter(desk: Desk) -> None:
    with pytest.raises(WorkError, match="if that is several, `delimiter` should say what is between them"):
        desk.score("id^text\n1^good^\n", column="text")


@pytest.mark.parametrize("delimiter", ["^", "~", ":", "\x1f"])
@pytest.mark.parametrize("column", [None, "text", 1])
def test_a_delimiter_that_all_lines_have_may_be_one(
    desk: Desk, delimiter: str, column: str | int | None
) -> None:
    content = "id^text\n1^good\n2^bad\n".replace("^", delimiter)
    with pytest.raises(WorkError, match=r"the columns may be separated by .*, since each line has as many"):
        desk.score(content, column=column)
    assert desk.score(content, column=column, delimiter=delimiter)["rows"] == 2
    assert desk.score(content, column=1, delimiter=",")["rows"] == 2
    for lines in ("Ann: love it\nBob: hate it\n", "http://a.b/c\nhttp://b.c/d\n", "10:15 good\n10:16 bad\n"):
        assert desk.score(lines, "in.txt", column="text")["rows"] == 2


@pytest.mark.parametrize("name", ["in.csv", "in.txt"])
@pytest.mark.parametrize("column", [None, "text"])
def test_columns_that_are_aligned_with_spaces_are_refused(desk: Desk, name: str, column: str | None) -> None:
    content = "id  text            stars\n1   I love it         5\n22  Awful\n3   It is a table     3\n"
    with pytest.raises(WorkError) as refused:
        desk.score(content, name, column=column)
    assert str(refused.value) == (
        "the file seems to have 3 columns that are aligned with spaces: 'id', 'text', 'stars'; should be "
        'CSV, or `delimiter` be "none" to score whole lines'
    )
    assert desk.score(content, name, delimiter="none")["rows"] == 4
    assert desk.score("I said  no\nand they  did it\nso it is\n", "in.txt")["rows"] == 3


@pytest.mark.parametrize(
    "content",
    [
        " id | text \n----+------\n  1 | good\n(1 row)\n",
        "+----+------+\n| id | text |\n+----+------+\n|  1 | good |\n+----+------+\n",
    ],
)
def test_a_table_in_a_frame_is_refused_as_what_it_is(desk: Desk, content: str) -> None:
    with pytest.raises(WorkError, match="drawn with lines, as a database's shell shows it; export it as CSV"):
        desk.score(content)


def test_lines_in_quotes_as_a_whole_are_refused(desk: Desk) -> None:
    for column in (None, "text", 2):
        with pytest.raises(
            WorkError, match="each line is in quotes as a whole, so all of it is one column, 'id,"
        ):
            desk.score('"id,text,n"\n"1,""good, so"",5"\n"2,""bad, no"",4"\n', column=column)
    desk.score('"Comments, if any"\n"good, so"\n"bad"\n')
    assert texts(desk, "Comments, if any") == ["good, so", "bad"]


def test_rows_that_quotes_merge_in_two_columns_are_told_by_their_numbers(desk: Desk) -> None:
    desk.score('id,text\n1,"good\n2,bad\n3,ugly"\n4,ok\n')
    assert texts(desk) == ['"good', "bad", 'ugly"', "ok"]
    rows = [f"{number},a good text" for number in range(5_000)]
    rows[4_000:4_003] = ['4000,"good', "4001,bad", '4002,ugly"']
    result = desk.score("id,text\n" + "\n".join(rows) + "\n")
    assert (result["rows"], len(result["warnings"])) == (4_998, 1)
    assert result["warnings"][0].startswith("lines 4,002 to 4,004 are one row")
    rows[4_000:4_003] = ['4000,"Great!', 'really, really good"', "4002,ugly"]
    assert desk.score("id,text\n" + "\n".join(rows) + "\n")["warnings"] == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("column", ["text", 2])
def test_texts_that_are_longer_than_what_is_looked_at_are_read(
    desk: Desk, delimiter: str, column: str | int
) -> None:
    document = "\n\n".join(f'the "{number}"; good, day' for number in range(6_000))
    lines = [delimiter.join(["id", "text", "n"])]
    lines += [delimiter.join(["x", '"' + text.replace('"', '""') + '"', "1"]) for text in (document, "bad")]
    result = desk.score("\n".join(lines), column=column)
    assert (texts(desk), result["warnings"]) == ([document, "bad"], [])
    open_ones = [delimiter.join([str(number), f'"so {number}', "1"]) for number in range(9_000)]
    assert desk.score("\n".join([lines[0], *open_ones]), column=column)["read_as"]["quote"] == "none"


# ---- encodings


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["schön", "Очень хорошо", "这个很好这个很好这个很好"])
def test_wide_encodings_of_all_scripts_are_told(desk: Desk, encoding: str, text: str) -> None:
    desk.score(f"text,n\n{text},1\n{text},2\n".encode(encoding))
    assert texts(desk) == [text, text]


def test_a_mark_of_byte_order_says_more_than_the_name_of_an_encoding(desk: Desk) -> None:
    content = "\ufefftext,n\nschön,1\n"
    for encoding in ("utf-32-be", "utf-32-le", "utf-16-be", "utf-16-le"):
        desk.score(content.encode(encoding))
        assert texts(desk) == ["schön"]
    desk.score(content[1:].encode("utf-16-be"), encoding="utf-16")
    assert texts(desk) == ["schön"]
    desk.score(f"\ufeff{content}")
    assert texts(desk) == ["schön"]


@pytest.mark.parametrize(
    ("real", "asked", "said"),
    [
        ("utf-16-le", "utf-16-be", "utf-16-le"),
        ("utf-16-le", "cp1252", "utf-16-le"),
        ("utf-8", "utf-16", "utf-8"),
        ("utf-8", "utf-32-le", "utf-8"),
    ],
)
def test_a_wide_encoding_that_is_not_the_files_is_refused(
    desk: Desk, real: str, asked: str, said: str
) -> None:
    with pytest.raises(WorkError, match=f'the file is {said.upper()}; `encoding` should be "{said}"'):
        desk.score("a schön text\nand one more\n".encode(real), "in.txt", encoding=asked)


def test_letters_that_are_likely_to_be_misread_are_mentioned(desk: Desk) -> None:
    content = "text\nI don’t like the café\n"
    twice = content.encode().decode("cp1252")
    assert "encoded twice" in desk.score(twice)["warnings"][0]
    assert desk.score(content)["warnings"] == []
    assert desk.score("text\nÀ côté DÉJÀ VU Ãã\n")["warnings"] == []
    result = desk.score(content.encode("cp1252"), encoding="latin-1")
    assert result["warnings"] == [
        "the file has bytes that are no letters in iso8859-1; if they are curly quotes, set `encoding` to "
        "cp1252"
    ]
    assert desk.score("text\ncafé\n".encode("latin-1"), encoding="latin-1")["warnings"] == []


def test_zero_bytes_are_the_reason_where_they_are(desk: Desk) -> None:
    result = desk.score(b"id,text\n1,good\n" + b"\0" * 300, errors="skip")
    assert result["errors"]["first"] == [{"line": 3, "error": "has a zero byte; should be text"}]
