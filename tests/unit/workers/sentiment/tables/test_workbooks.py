"""A sheet of a workbook is a table; a workbook that would take too much is refused."""

import gzip
from typing import Any

import pytest

from jobyard.shared.errors import Cancelled, WorkError
from jobyard.workers.runtime.child import Limits
from jobyard.workers.sentiment.tables import workbooks
from tests.reports import NoMetrics
from tests.unit.workers.sentiment.conftest import Desk
from tests.workbooks import compound, ods, xls, xlsx, zipped

REVIEWS = [["id", "text", "new"], [1, 'great, "really"', True], [2.5, None, False], [3, "bad\nday", None]]


def texts(desk: Desk) -> list[Any]:
    return [row["text"] for row in desk.parquet()]


def test_a_workbook_of_one_sheet_is_its_table(desk: Desk) -> None:
    result = desk.score(xlsx({"Reviews": REVIEWS}), "in.xlsx")
    assert (result["rows"], result["nulls"], result["file"]) == (3, 1, "in.scored.parquet")
    assert result["read_as"]["sheet"] == "Reviews"
    assert result["warnings"] == []
    assert [text or None for text in texts(desk)] == ['great, "really"', None, "bad\nday"]
    assert [(str(row["id"]), str(row["new"])) for row in desk.parquet()][:2] == [
        ("1", "true"),
        ("2.5", "false"),
    ]


@pytest.mark.parametrize("name", ["in.xls", "in.csv", "upload"])
def test_old_and_open_workbooks_are_read_whatever_they_are_called(desk: Desk, name: str) -> None:
    rows = [["id", "text"], ["1", "good"], ["2", "naïve 😀"]]
    for content in (xls(rows), ods(rows), gzip.compress(xls(rows)), zipped({"a/b.xls": xls(rows)})):
        assert desk.score(content, name)["rows"] == 2
        assert texts(desk) == ["good", "naïve 😀"]


def test_an_old_workbook_has_numbers(desk: Desk) -> None:
    desk.score(xls([["text", "n"], ["good", 2.0]]), "in.xls")
    assert str(desk.parquet()[0]["n"]) == "2"


def test_the_sheet_is_the_one_that_is_named(desk: Desk) -> None:
    book = xlsx({"A": [["text"], ["good"]], "B": [["text"], ["bad"], ["worse"]]})
    assert desk.score(book, "in.xlsx", sheet="B")["rows"] == 2
    assert texts(desk) == ["bad", "worse"]
    with pytest.raises(WorkError) as refused:
        desk.score(book, "in.xlsx", sheet="C")
    assert str(refused.value) == "the workbook has no sheet 'C'; `sheet` should be one of 'A', 'B'"


def test_of_several_sheets_the_one_with_the_column_is_read_and_the_others_are_said(desk: Desk) -> None:
    book = xlsx(
        {"Notes": [["who", "when"], ["me", 1]], "Empty": [], "Reviews": REVIEWS, "Old": REVIEWS}, ["Old"]
    )
    result = desk.score(book, "in.xlsx", column="text")
    assert (result["rows"], result["read_as"]["sheet"]) == (3, "Reviews")
    assert result["warnings"] == ["only the sheet 'Reviews' was read; the others are 'Notes' (see `sheet`)"]


@pytest.mark.parametrize("column", ["text", 1])
def test_several_sheets_that_would_do_are_named(desk: Desk, column: str | int) -> None:
    book = xlsx({"A": REVIEWS, "B": REVIEWS})
    with pytest.raises(WorkError) as refused:
        desk.score(book, "in.xlsx", column=column)
    assert str(refused.value) == (
        "the workbook has 2 sheets with rows: 'A', 'B'; say in `sheet` which is meant"
    )


def test_empty_rows_and_columns_around_a_table_and_its_title_are_no_part_of_it(desk: Desk) -> None:
    rows = [
        [None],
        [None, "Reviews of 2024"],
        [None],
        [None, "id", "text"],
        [None, 1, "good"],
        [None, 2],
        [None, 3],
    ]
    result = desk.score(xlsx({"A": rows}), "in.xlsx")
    assert (result["rows"], result["nulls"]) == (3, 2)
    assert result["warnings"] == ["the sheet's first rows were taken for its title: 'Reviews of 2024'"]
    assert desk.parquet()[0]["text"] == "good"


def test_rows_before_a_header_are_left_out_up_to_the_column_and_as_many_as_are_told(desk: Desk) -> None:
    rows: list[Any] = [[None], ["From", "2024"], ["To", "2025"], ["id", "text"], [1, "good"], [2, "bad"]]
    book = xlsx({"A": rows})
    result = desk.score(book, "in.xlsx", column="text")
    assert (result["rows"], result["warnings"]) == (
        2,
        ["the sheet's first rows were taken for its title: 'From', '2024', 'To', '2025'"],
    )
    assert desk.score(book, "in.xlsx", column="text", skip_lines=3)["rows"] == 2
    titled = xlsx({"A": [["Reviews"], ["id", "text"], [1, "good"]]})
    assert desk.score(titled, "in.xlsx", column=2, skip_lines=1)["rows"] == 1


def test_a_title_above_a_column_alone_is_no_text(desk: Desk) -> None:
    result = desk.score(xlsx({"A": [["Reviews"], [None], ["text"], ["good"], ["bad"]]}), "in.xlsx")
    assert (result["rows"], result["column"]) == (2, "text")
    assert result["warnings"] == ["the sheet's first rows were taken for its title: 'Reviews'"]


def test_without_a_header_no_row_is_a_title(desk: Desk) -> None:
    book = xlsx({"A": [["good"], ["bad", 1], ["so so", 2]]})
    result = desk.score(book, "in.xlsx", column=1, header="no")
    assert (result["rows"], result["warnings"]) == (3, [])


def test_how_other_files_are_written_means_nothing_to_a_workbook(desk: Desk) -> None:
    book = xlsx({"A": [["id", "text"], [1, 'so "good"'], [2, "a; b"]]})
    for options in ({"delimiter": ";"}, {"delimiter": "none"}, {"quote": "none"}, {"quote": "backslash"}):
        assert desk.score(book, "in.xlsx", **options)["rows"] == 2
        assert texts(desk) == ['so "good"', "a; b"]


def test_a_hidden_sheet_is_read_where_no_other_has_rows(desk: Desk) -> None:
    result = desk.score(xlsx({"A": [], "B": REVIEWS}, ["B"]), "in.xlsx")
    assert (result["rows"], result["read_as"]["sheet"]) == (3, "B")
    assert result["warnings"] == ["the sheet 'B' is hidden, and the only one with rows"]


def test_the_encoding_of_other_files_means_nothing_to_a_workbook(desk: Desk) -> None:
    desk.score(xlsx({"A": [["text"], ["très bien"]]}), "in.xlsx", encoding="cp1252")
    assert texts(desk) == ["très bien"]


def test_empty_cells_of_one_column_are_rows(desk: Desk) -> None:
    result = desk.score(xlsx({"A": [["text"], ["good"], [None], ["bad"]]}), "in.xlsx")
    assert (result["rows"], result["nulls"]) == (3, 1)


def test_a_sheet_with_a_header_alone_has_no_rows(desk: Desk) -> None:
    assert desk.score(xlsx({"A": [["id", "text"]]}), "in.xlsx")["rows"] == 0


def test_a_sheet_is_for_workbooks_only(desk: Desk) -> None:
    with pytest.raises(WorkError, match="the file is no workbook; `sheet` should be left out"):
        desk.score("text\ngood\n", sheet="A")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (xlsx({"A": []}), "the workbook has no rows"),
        (compound({"WordDocument": b""}), "the file is a Word document (.doc); should be"),
        (
            compound({"EncryptedPackage": b""}),
            "the file is an Office file with a password; save it without one",
        ),
        (
            compound({"Other": b""}),
            "the file is an old Excel workbook (.xls) or other file of Office, and is damaged: "
            "it has no sheets; save it anew as .xlsx or CSV",
        ),
        (compound({"Workbook": b"\xff" * 5_000}), "the workbook is damaged: "),
        (zipped({"xl/workbook.xml": "<workbook"}), "the workbook is damaged: "),
    ],
)
def test_what_is_no_workbook_or_a_broken_one_is_named(desk: Desk, content: bytes, message: str) -> None:
    with pytest.raises(WorkError) as refused:
        desk.score(content, "in.xlsx")
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
    assert [path.name for path in desk.folder.iterdir()] == ["source"]


FAR = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'


@pytest.mark.parametrize(
    "content",
    [xlsx({"A": FAR}), ods([["text"], ["good " * 20]], repeated=1_000_000_000)],
    ids=["far", "repeated"],
)
def test_a_few_bytes_that_stand_for_gigabytes_are_refused(
    desk: Desk, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "LIMITS", Limits(seconds=60, memory_bytes=100_000_000))
    with pytest.raises(WorkError, match="the workbook takes over 100,000,000 bytes of memory to read"):
        desk.score(content, "in.xlsx")
    assert [path.name for path in desk.folder.iterdir()] == ["source"]


def test_a_sheet_is_counted_against_the_limit_of_what_is_unpacked(desk: Desk) -> None:
    desk.limit = 1_000
    with pytest.raises(WorkError, match="the file unpacks to over 1,000 bytes"):
        desk.score(xlsx({"A": [["text"], *[["good"]] * 200]}), "in.xlsx")


def test_a_cancel_ends_the_reader(desk: Desk) -> None:
    desk.notes = NoMetrics(stop_at_check=1)
    with pytest.raises(Cancelled):
        desk.score(xlsx({"A": [["text"], ["good"]]}), "in.xlsx")
    assert [path.name for path in desk.folder.iterdir()] == ["source"]
