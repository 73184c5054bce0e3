"""Rows that have more fields than the header has names, or fewer: read where it is plain why."""

import pytest

from jobyard.shared.errors import WorkError
from tests.unit.workers.sentiment.conftest import Desk

TEXTS = ["I love it, really", "Awful smell", 'so "good"']
AS_R = (
    "rows have one field more than the header: the first one is read as the name of the row, as R writes it"
)
UNNAMED = "column 'Unnamed: {}' has no name in the file"


def texts(desk: Desk) -> list[str]:
    return [row["text"] for row in desk.parquet()]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", " "])
@pytest.mark.parametrize("names", [["1", "2", "3"], ["12", "7", "9"], ["Mazda RX4", "b", "c"]])
def test_row_names_of_r_are_a_column(desk: Desk, delimiter: str, names: list[str]) -> None:
    doubled = [text.replace('"', '""') for text in TEXTS]
    lines = ['"stars" "text" "shop"'.replace(" ", delimiter)]
    lines += [
        delimiter.join([f'"{name}"', str(stars), f'"{text}"', '"here"'])
        for stars, (name, text) in enumerate(zip(names, doubled, strict=True))
    ]
    result = desk.score("\n".join(lines) + "\n", "in.txt", column="text")
    assert texts(desk) == TEXTS
    assert [row["Unnamed: 0"] for row in desk.parquet()] == names
    assert result["read_as"]["delimiter"] == delimiter
    assert result["warnings"] == [AS_R, UNNAMED.format(0)]


def test_row_names_need_no_quotes_if_they_are_numbers(desk: Desk) -> None:
    desk.score("label\ttext\n5\tham\tgood day\n9\tspam\tbuy it now\n", "in.tsv")
    assert texts(desk) == ["good day", "buy it now"]
    desk.score('"text"\n"1","good"\n"2","bad"\n')
    assert texts(desk) == ["good", "bad"]


def test_spaces_may_be_said_to_be_between_fields(desk: Desk) -> None:
    for delimiter in (" ", "space"):
        result = desk.score('id text\n1 good\n2 "bad one"\n3 so"so\n', "in.txt", delimiter=delimiter)
        assert (texts(desk), result["read_as"]["delimiter"]) == (["good", "bad one", 'so"so'], " ")


@pytest.mark.parametrize(
    "content",
    [
        "id,text\n1,good day,5\n2,bad day,6\n",  # the last column has no name
        "id,text\n1,good,pos\n2,bad,neg\n",
        "id,title\n1,Good,I love it so much\n2,Bad,I hate it so much\n",
        "text,label\ngood, really,pos\nbad, really,neg\n",  # a comma of the text
        "text,label\ngood,really good,pos\nbad,so very bad,neg\n",
        "text,label\n1,good day,pos\n1,bad day,neg\n",  # names would differ
    ],
)
def test_what_may_be_a_last_column_or_a_comma_is_refused(desk: Desk, content: str) -> None:
    column = "title" if "title" in content else "text"
    with pytest.raises(
        WorkError, match="line 2: has 3 fields; should have 2, as in the header: what has ','"
    ):
        desk.score(content, column=column)


def test_a_column_by_number_is_not_counted_past_row_names(desk: Desk) -> None:
    with pytest.raises(WorkError, match="line 2: has 3 fields; should have 2"):
        desk.score("text,label\n1,good day,pos\n2,bad day,neg\n", column={"number": 1})


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("more", [1, 2])
@pytest.mark.parametrize("column", ["text", 2])
def test_rows_may_end_with_delimiters(desk: Desk, delimiter: str, more: int, column: str | int) -> None:
    rows = [
        ["id", "text"],
        *([str(number), f'"{text}"'] for number, text in enumerate(["good; a,b|", "bad"])),
    ]
    content = "\n".join(
        delimiter.join(row) + delimiter * (more if number else 0) for number, row in enumerate(rows)
    )
    result = desk.score(content, column=column)
    assert texts(desk) == ["good; a,b|", "bad"]
    assert result["read_as"]["header"] == "yes"
    assert len(result["warnings"]) == 1


def test_only_the_header_may_end_with_a_delimiter(desk: Desk) -> None:
    result = desk.score('id,text,\n1,good\n2,"bad, so"\n')
    assert texts(desk) == ["good", "bad, so"]
    assert list(desk.parquet()[0])[:3] == ["id", "text", "neg"]
    assert result["warnings"] == ["the header ends with a delimiter, and the rows don't: it is left out"]


def test_rows_are_held_to_the_header_where_all_is_said(desk: Desk) -> None:
    with pytest.raises(WorkError, match="line 2: has 3 fields; should have 2"):
        desk.score("id,text\n1,good,\n", delimiter=",", quote="double", header="yes")


def test_some_rows_that_differ_are_broken(desk: Desk) -> None:
    result = desk.score("id,text\n1,good,\n2,bad\n3,ugly,\n", errors="skip")
    assert (result["rows"], result["skipped"]) == (1, 2)
