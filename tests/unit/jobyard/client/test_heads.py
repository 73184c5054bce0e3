"""What is sent of a file that is looked at before it is uploaded, and what is said of the findings."""

from pathlib import Path
from typing import Any

import pytest

from jobyard.client.errors import BadRequest
from jobyard.client.heads import (
    HEAD_BYTES,
    LARGE_BYTES,
    TAIL_BYTES,
    WHOLE_BYTES,
    Head,
    head_of,
    is_worth_a_look,
    reading_of,
    refusal,
)


def test_a_text_is_sent_by_its_head_and_what_has_its_directory_last_whole_or_with_its_tail(
    tmp_path: Path,
) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"text\n" * 3)
    assert head_of(path, "file") == Head(b"text\n" * 3, 15, None)
    path.write_bytes(bytes(HEAD_BYTES + 9))
    assert head_of(path, "file") == Head(bytes(HEAD_BYTES), HEAD_BYTES + 9, None)
    parquet = b"PAR1" + bytes(HEAD_BYTES) + b"end"
    path.write_bytes(parquet)
    assert head_of(path, "file") == Head(parquet, len(parquet), None)
    with path.open("wb") as file:
        file.write(b"PAR1")
        file.seek(WHOLE_BYTES)
        file.write(b"end")
    head = head_of(path, "file")
    assert (head.size, head.head_bytes) == (WHOLE_BYTES + 3, HEAD_BYTES)
    assert len(head.content) == HEAD_BYTES + TAIL_BYTES
    assert head.content.endswith(b"\0end")
    with pytest.raises(BadRequest, match="can't be read: Is a directory"):
        head_of(tmp_path, "file")
    with pytest.raises(BadRequest, match="can't be read"):
        head_of(Path("a\0b"), "file")


def test_only_a_large_local_file_of_texts_is_looked_at(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"text\n")
    with large.open("wb") as file:
        file.truncate(LARGE_BYTES)
    assert is_worth_a_look("sentiment", {"file": large})
    assert not is_worth_a_look("sentiment", {"file": small})
    assert not is_worth_a_look("sentiment", {"file": "3a"})
    assert not is_worth_a_look("sentiment", {"file": tmp_path / "missing"})
    assert not is_worth_a_look("import", {"file": large})
    spec = {"file": large, "column": 2, "group_by": None, "format": "csv", "header": "no"}
    assert reading_of(spec) == {"column": 2, "header": "no"}


@pytest.mark.parametrize(
    ("problem", "spec", "message"),
    [
        (None, {}, None),
        (
            ("column", "there is no column 'reveiw'"),
            {"column": "reveiw"},
            "column: a.csv has no column 'reveiw'; did you mean 'review'? It has 'id', 'review', 'shop'",
        ),
        (("column", "no text"), {}, "column: should say which one has the texts, of 'id', 'review', 'shop'"),
        (("group_by", "there is no column 9"), {"group_by": 9}, "group_by: a.csv: there is no column 9"),
        (("sheet", "say which"), {}, "sheet: a.csv: say which"),
        (("file", "the file is a PDF"), {}, "a.csv: the file is a PDF"),
    ],
)
def test_a_refusal_names_the_field_and_the_nearest_column(
    problem: tuple[str, str] | None, spec: dict[str, Any], message: str | None
) -> None:
    found = {
        "columns": ["id", "review", "shop"],
        "problem": None if problem is None else dict(zip(("field", "message"), problem, strict=True)),
    }
    assert refusal(found, spec, Path("in/a.csv")) == message


def test_a_column_that_later_rows_may_have_is_no_reason_to_refuse() -> None:
    found = {
        "columns": ["id", "review"],
        "problem": {"field": "column", "message": "there is no column"},
        "read_as": {"format": "jsonl"},
        "is_whole": False,
    }
    assert refusal(found, {"column": "answer"}, Path("a.jsonl")) is None
    assert "did you mean 'review'" in str(refusal(found, {"column": "reveiw"}, Path("a.jsonl")))
    assert refusal(found | {"is_whole": True}, {"column": "answer"}, Path("a.jsonl")) is not None
    read_as = {"format": "csv"}
    assert refusal(found | {"read_as": read_as}, {"column": "answer"}, Path("a.csv")) is not None
