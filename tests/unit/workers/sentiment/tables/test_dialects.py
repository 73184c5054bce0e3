"""Delimited text is read as it is meant: what its content tells is found out, said, and can be overruled."""

from typing import Any

import pytest

from jobyard.shared.errors import WorkError
from jobyard.workers.sentiment.tables import line_ends
from tests.unit.workers.sentiment.conftest import Desk

TEXTS = ["I love it, really", "Awful smell", "It is a table.", "not bad; but ugly"]
HEADER = "line {} is read as the names of the columns; if it is data, set `header` to no"
DATA = "line {} is read as data, not as the names of the columns; if it has names, set `header` to yes"
LETTERS = (
    "quotes are read as letters, since some are not closed; if they are around fields, set `quote` to double"
)


def texts(desk: Desk, column: str = "text") -> list[Any]:
    return [row[column] for row in desk.parquet()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "\x01"])
@pytest.mark.parametrize("name", ["in.csv", "in.tsv", "in.dat"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_delimiter_is_told_by_the_content(desk: Desk, delimiter: str, name: str, end: str) -> None:
    rows = [["id", "text", "stars"], *([str(n), f'"{text}"', "3,5"] for n, text in enumerate(TEXTS))]
    if delimiter == ",":
        rows = [[cell.replace("3,5", "3.5") for cell in row] for row in rows]
    result = desk.score("".join(delimiter.join(row) + end for row in rows), name)
    assert texts(desk) == TEXTS
    assert result["read_as"] == {
        "format": "tsv" if delimiter == "\t" else "csv",
        "delimiter": delimiter,
        "quote": "double",
        "header": "yes",
    }
    assert result["warnings"] == []


def test_a_delimiter_that_is_given_is_no_question(desk: Desk) -> None:
    desk.score("a;text,b\n1;good,2\n", delimiter="semicolon", column=2)
    assert desk.parquet()[0]["text,b"] == "good,2"
    desk.score("a^text\n1^good\n", "in.txt", delimiter="^")
    assert texts(desk) == ["good"]
    desk.score("good,bad\nbad\n", "in.csv", delimiter="none")
    assert texts(desk) == ["good,bad", "bad"]
    desk.score('{"text": "good"}\n', "in.jsonl", delimiter="none")
    assert texts(desk) == ['{"text": "good"}']


def test_the_column_that_is_asked_for_decides_between_delimiters(desk: Desk) -> None:
    assert desk.score("a;b,text\n1;2,good\n")["read_as"]["delimiter"] == ","
    assert desk.score("a,b;text\n1,2;good\n", column="text")["read_as"]["delimiter"] == ";"


def test_more_columns_are_likelier_and_fewer_are_mentioned(desk: Desk) -> None:
    result = desk.score("a\tb, c\td\n1\tgood, day\t2\n3\tbad, night\t4\n", "in.csv", column=2)
    assert result["column"] == "b, c"
    assert result["warnings"] == [
        "the columns are separated by tabs ('a', 'b, c', 'd'); they may also be separated by commas "
        "('a\\tb', 'c\\td'): then set `delimiter`"
    ]


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"'])
def test_excels_line_about_the_delimiter_is_believed(desk: Desk, first: str) -> None:
    result = desk.score(f"{first}\r\nid;text\r\n1;a, b\r\n2;c, d\r\n")
    assert texts(desk) == ["a, b", "c, d"]
    assert (result["read_as"]["delimiter"], result["read_as"]["skip_lines"]) == (";", 1)
    assert result["warnings"] == []


# ---- quotes


def test_quotes_that_leave_rows_broken_are_letters(desk: Desk) -> None:
    content = 'id\ttext\tstars\n1\t"Perfect gift - my son loves it\t5\n2\tbad\t1\n3\tthe so called "\t2\n'
    result = desk.score(content, "in.tsv")
    assert texts(desk) == ['"Perfect gift - my son loves it', "bad", 'the so called "']
    assert (result["read_as"]["quote"], result["warnings"]) == ("none", [LETTERS])
    assert desk.score(content, "in.tsv", quote="double")["rows"] == 1
    desk.score('subject,title,n\ntea,good leaves,1\ncoffee,"Dark Roast" is awful,2\n', column="title")
    assert texts(desk, "title") == ["good leaves", '"Dark Roast" is awful']


def test_rows_that_quotes_merge_are_told_from_texts_of_several_lines(desk: Desk) -> None:
    """By the number of delimiters in each line, and by what is in the columns."""
    desk.score('id,text,n\n1,"Perfect gift,5\n2,bad,1\n3,the so called ",2\n')
    assert len(desk.parquet()) == 3
    desk.score('id,n,text\n1,5,"Great!\nreally, really, good"\n2,1,bad\n3,2,"oh, no"\n')
    assert texts(desk) == ["Great!\nreally, really, good", "bad", "oh, no"]
    desk.score('shop,text\nhere,"Great!\nreally, good"\nthere,bad\n')
    assert texts(desk) == ["Great!\nreally, good", "bad"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_quotes_may_have_backslashes_before_them(desk: Desk, delimiter: str) -> None:
    content = r"""id,text
0,"He said \"great\" and left"
1,"a 20\" wok,
I love it"
2,"bad \\"
3,"C:\new"
4,"\"so\""
""".replace(",", delimiter)
    expected = ['He said "great" and left', f'a 20" wok{delimiter}\nI love it', "bad \\", "C:\\new", '"so"']
    for quote in ("auto", "backslash"):
        assert desk.score(content, quote=quote)["read_as"]["quote"] == "backslash"
        assert texts(desk) == expected


def test_a_backslash_at_the_end_of_a_doubled_field_is_a_letter(desk: Desk) -> None:
    desk.score('id,text\n1,"C:\\"\n2,"a ""b"""\n')
    assert texts(desk) == ["C:\\", 'a "b"']


def test_postgres_text_has_escapes_and_nulls(desk: Desk) -> None:
    content = (
        'id\ttext\tn\n1\tlove it\\nreally\t5\n2\t\\N\t\\N\n3\thate it\\tso "much\t1\n4\tC:\\\\good\\\nx\t3\n'
    )
    result = desk.score(content, "in.tsv")
    assert texts(desk) == ["love it\nreally", None, 'hate it\tso "much', "C:\\good\nx"]
    assert (result["rows"], result["nulls"], desk.parquet()[1]["n"]) == (4, 1, None)
    assert result["read_as"]["quote"] == "backslash"
    desk.score(content.replace("\\\nx", ""), "in.tsv", quote="none")
    assert texts(desk) == ["love it\\nreally", None, 'hate it\\tso "much', "C:\\\\good"]


def test_spaces_around_quoted_fields_are_no_text(desk: Desk) -> None:
    desk.score('id, text, n\n1, "good, and ""bad""" , 5\n2, ugly, 6\n')
    assert texts(desk) == ['good, and "bad"', "ugly"]
    desk.score("id,text ,n\n1,good,5\n", column="text")
    assert texts(desk, "text ") == ["good"]


def test_a_delimiter_may_have_a_backslash_before_it(desk: Desk) -> None:
    desk.score("id,text,n\n1,good\\, really,5\n2,bad,1\n")
    assert texts(desk) == ["good, really", "bad"]
    desk.score("id,path,text\n1,C:\\,bad\n")
    assert desk.parquet()[0]["path"] == "C:\\"


def test_a_header_longer_than_what_is_looked_at_is_read(desk: Desk) -> None:
    names = "\t".join(f"{number}{', ' * (number % 2)}{'x' * 60}" for number in range(1_500))
    desk.score(f"{names}\ttext\n" + "1\t" * 1_500 + "good\n", "in.csv")
    assert texts(desk) == ["good"]


# ---- headers


def test_a_first_row_of_data_is_no_header(desk: Desk) -> None:
    content = (
        '"4","900","Mon Jan 01 10:00:00 2001","x","good"\n"0","901","Mon Jan 01 10:00:01 2001","x","bad"\n'
    )
    result = desk.score(content, column=5)
    assert (result["rows"], result["column"]) == (2, "column_5")
    assert (result["read_as"]["header"], result["warnings"]) == ("no", [DATA.format(1)])
    result = desk.score(content, column=5, header="yes")
    assert (result["rows"], result["column"], result["warnings"]) == (1, "good", [])
    assert desk.score(content, column=5, header="no")["warnings"] == []


def test_a_label_that_comes_again_is_no_name(desk: Desk) -> None:
    result = desk.score("ham\tGo until Friday\nspam\tFree entry!\nham\tOk\n", "in.tsv", column=2)
    assert result["rows"] == 3


@pytest.mark.parametrize("first", ["0,1,2", "1,2,3", "name,2023,2024", "name,words,date"])
def test_names_are_told_from_data(desk: Desk, first: str) -> None:
    result = desk.score(f"{first}\ngood,7,2020-01-01\nbad,8,2020-02-01\n", column={"number": 1})
    assert (result["rows"], result["warnings"]) == (2, [])


def test_a_header_that_may_be_data_is_mentioned(desk: Desk) -> None:
    result = desk.score("I love it so very very much, don't you\nbad,day\n", "in.csv", column=1)
    assert result["read_as"]["header"] == "no"
    result = desk.score("what people wrote of it in May 2023!,n\nbad,1\n", "in.csv", column=1)
    assert result["warnings"] == [HEADER.format(1)]
    result = desk.score("good! really\tham\nbad! oh\tother\n", "in.tsv", column=1)
    assert result["warnings"] == [HEADER.format(1)]
    assert desk.score("what people wrote,product\nbad,phone\n", column=1)["warnings"] == []


@pytest.mark.parametrize(
    ("preamble", "skipped"),
    [
        ("# Exported 2024-01-01\n# rows: 2\n", 2),
        ("# Exported, 2024, by shop\n\n", 2),
        ("Reviews of May\n\n", 2),
        ("Reviews\nof May, and June\n", 2),
        ("Reviews of May,,\n,,\n", 2),
    ],
)
def test_lines_before_the_header_are_left_out_and_mentioned(desk: Desk, preamble: str, skipped: int) -> None:
    content = f"{preamble}id,text,n\n1,good,5\n2,awful\n"
    with pytest.raises(WorkError, match=f"line {skipped + 3}: has 2 fields; should have 3"):
        desk.score(content)
    result = desk.score(content.replace("awful", "awful,1"))
    assert texts(desk) == ["good", "awful"]
    assert result["read_as"]["skip_lines"] == skipped
    (warning,) = result["warnings"]
    assert f"before the header on line {skipped + 1}: {preamble.splitlines()[0]!r}" in warning


def test_a_header_with_too_few_names_is_not_left_out(desk: Desk) -> None:
    with pytest.raises(WorkError, match="line 2: has 3 fields; should have 2, as in the header"):
        desk.score("id,text\n1,good,5\n2,awful,3\n", column="text")
    with pytest.raises(WorkError, match="line 2: has 3 fields; should have 2, as in the header"):
        desk.score("id,body\n1,good,5\n2,awful,3\n", column="body")


def test_lines_to_skip_are_counted_as_they_are(desk: Desk) -> None:
    content = 'a "title\n\nid,text\n1,good\n2\n'
    with pytest.raises(WorkError, match="line 5: has 1 field; should have 2"):
        desk.score(content, skip_lines=2)
    desk.score("text\ngood\nbad\n", skip_lines=1, header="no", column=1)
    assert texts(desk, "column_1") == ["good", "bad"]


def test_columns_without_a_name_of_their_own_get_one(desk: Desk) -> None:
    result = desk.score("v1,v2,v2,,,Unnamed: 3,v2\nham,good,x,,,,y\n", column="v2")
    names = ["v1", "v2", "v2.1", "Unnamed: 3.1", "Unnamed: 4", "Unnamed: 3", "v2.2"]
    assert list(desk.parquet()[0])[:7] == names
    assert result["warnings"] == [
        "columns 'Unnamed: 3.1', 'Unnamed: 4' have no name in the file",
        "columns 'v2.1', 'v2.2' have the name of an earlier column in the file",
    ]


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_columns_called_like_ours_in_any_case_are_renamed(desk: Desk, format: str) -> None:  # noqa: A002
    desk.score("Text,Label,COMPOUND,label_Original\ngood,ham,1,x\n", column="Text", format=format)
    (row,) = getattr(desk, format)()
    assert (row["Label_original_original"], row["label_Original"], row["COMPOUND_original"]) == (
        "ham",
        "x",
        "1",
    )
    assert len({name.lower() for name in row}) == len(row)


# ---- names and numbers


def test_digits_that_are_a_name_are_the_name(desk: Desk) -> None:
    content = "0,1,2,3\n7,good,x,bad\n"
    assert desk.score(content, column={"number": 2}, header="yes")["column"] == "1"
    assert desk.score(content, column="1", header="yes")["column"] == "1"
    assert desk.score("id,9\n7,good\n8,bad\n", column=9)["column"] == "9"
    assert desk.score("1,2\n7,good\n8,bad\n", column=2)["column"] == "2"


# ---- rows and nulls


def test_blank_lines_are_rows_of_the_only_column(desk: Desk) -> None:
    result = desk.score('text\nlove it\n\nhate it\n\r\n""\nok\n')
    assert texts(desk) == ["love it", "", "hate it", "", "", "ok"]
    assert (result["rows"], result["nulls"]) == (6, 3)
    assert desk.score("text,n\n\nlove it,1\n\n\nhate it,2\n\n")["rows"] == 2


def test_a_carriage_return_inside_a_line_is_a_letter(desk: Desk) -> None:
    desk.score("id,text\n1,love it\rreally\r\n2,\rhate it\n")
    assert texts(desk) == ["love it\rreally", "\rhate it"]


def test_an_open_quote_costs_its_line_alone(desk: Desk) -> None:
    rows = ['2,"I love it,5', "3,ok,4", "4,fine,3", '5,"Great, really",5', "6,bad,1"]
    result = desk.score("id,text,stars\n1,good,5\n" + "\n".join(rows) + "\n", errors="skip")
    assert texts(desk) == ["good", "ok", "fine", "Great, really", "bad"]
    assert [one["line"] for one in result["errors"]["first"]] == [3]
    # Closed by a quote at the end of another row: that the number of fields is wrong shows it.
    rows = ['2,"I love it', "3,ok,4", '4,"fine",3', "5,fine,so", '6,"a, b",1']
    result = desk.score("id,text,stars\n1,good,5\n" + "\n".join(rows) + "\n", errors="skip")
    assert texts(desk) == ["good", "ok", "fine", "fine", "a, b"]
    assert result["skipped"] == 1


def test_null_values_are_no_texts(desk: Desk) -> None:
    content = "id,text,n\n1,NULL,5\n2,NA,\\N\n3,\\N,5\n4,none,1\n"
    assert desk.score(content)["nulls"] == 1
    assert texts(desk) == ["NULL", "NA", None, "none"]
    assert desk.score(content, null_values=["NULL", "NA"])["nulls"] == 2
    assert texts(desk) == [None, None, "\\N", "none"]
    assert desk.score(content, null_values=[])["nulls"] == 0
    assert desk.score('{"text": "NA"}\n{"text": "good"}\n', "in.jsonl", null_values=["NA"])["nulls"] == 1


# ---- tables under other names


def test_content_is_believed_more_than_txt(desk: Desk) -> None:
    assert desk.score("id\ttext\n1\tgood\n", "in.txt", column="text")["read_as"]["delimiter"] == "\t"
    assert desk.score('{"text": "good"}\n{"text": "bad"}\n', "in.txt", column="text")["read_as"] == {
        "format": "jsonl"
    }
    result = desk.score("1\tgood\n2\tbad\n", "in.txt")
    assert result["read_as"] == {"format": "lines"}
    assert result["warnings"] == [
        "whole lines are scored, though the file seems to have 2 columns separated by tabs; `column` scores "
        "one of them"
    ]
    assert desk.score("Good, yes\nBad, no\n", "in.txt", column="text")["rows"] == 2
    assert desk.score("Good, yes\nBad, no\n", "in.txt", column=1)["rows"] == 1
    assert desk.score("Good, yes; a\nBad, no; b\n", "in.txt")["warnings"] == []


def test_two_thousand_columns_are_read(desk: Desk) -> None:
    names = [f"c{number}" for number in range(1_999)]
    content = ",".join(["text", *names]) + "\n" + ",".join(["good", *map(str, range(1_999))]) + "\n"
    assert desk.score(content)["rows"] == 1
    assert desk.parquet()[0]["c1998"] == "1998"


# ---- encodings and ends of lines


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("text", ["schön good", "g"])
def test_wide_encodings_are_told_by_their_zeros(desk: Desk, encoding: str, text: str) -> None:
    result = desk.score(f"text,n\n{text},1\n".encode(encoding))
    assert texts(desk) == [text]
    assert result["read_as"].get("encoding") == (None if encoding == "utf-8-sig" else encoding)
    assert result["warnings"] == []


def test_an_encoding_that_is_not_the_files_is_mentioned(desk: Desk) -> None:
    result = desk.score("text\nschön\n".encode(), encoding="cp1252")
    assert result["warnings"] == ["the file is read as cp1252, though it seems to be UTF-8"]
    assert desk.score("text\nschön\n".encode("cp1252"), encoding="cp1252")["warnings"] == []


@pytest.mark.parametrize(
    "content", ["id,text\r1,good\r2,bad", 'id,text\r1,"good"\r2,bad\r', "id,text\r1,good\n2,bad\r\n"]
)
def test_lines_may_end_with_carriage_returns_alone(desk: Desk, content: str) -> None:
    result = desk.score(content)
    assert texts(desk) == ["good", "bad"]
    assert result["read_as"]["line_ends"] == "CR"


def test_newlines_inside_fields_of_such_a_file_stay(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_ends, "BLOCK_BYTES", 1)
    desk.score('id,text\r1,"good\nday"\r2,"bad\r\nnight"\r')
    assert texts(desk) == ["good\nday", "bad\r\nnight"]
    with pytest.raises(WorkError, match="line 4: has 1 field"):
        desk.score('id,text\r1,"good\nday"\r2\r')


def test_rows_that_may_be_merged_far_from_the_files_beginning_are_mentioned(desk: Desk) -> None:
    rows = [f"{number}\ta good text\t{number % 5}" for number in range(5_000)]
    rows[4_000:4_003] = ['4000\t"Perfect gift\t5', "4001\tbad\t1", '4002\tthe so called "\t2']
    content = "id\ttext\tn\n" + "\n".join(rows) + "\n"
    result = desk.score(content, "in.tsv")
    assert result["rows"] == 4_998
    assert result["warnings"] == [
        "lines 4,002 to 4,004 are one row, since a quote opens and closes on them, though each has as many "
        "fields as a row; if quotes are letters, set `quote` to none"
    ]
    assert desk.score(content, "in.tsv", quote="double")["warnings"] == []
    assert desk.score(content, "in.tsv", quote="none")["rows"] == 5_000


def test_backslashes_that_may_be_escapes_are_mentioned(desk: Desk) -> None:
    result = desk.score("id\ttext\n1\tgood\\nday\n", "in.tsv")
    assert texts(desk) == ["good\\nday"]
    assert result["warnings"] == [
        "backslashes are read as letters; if \\n, \\t and \\\\ are escapes, set `quote` to backslash"
    ]
    desk.score("id\ttext\n1\tgood\\nday\n", "in.tsv", quote="backslash")
    assert texts(desk) == ["good\nday"]


@pytest.mark.parametrize("text", ["a ~good\rday", '"a ~good\nday"'])
def test_a_line_break_within_an_only_field_is_a_letter(desk: Desk, text: str) -> None:
    assert desk.score(f"review\n{text}\nbad\n", "in.csv", format="csv")["rows"] == 2
    assert desk.csv()[0]["review"] == text.strip('"')
