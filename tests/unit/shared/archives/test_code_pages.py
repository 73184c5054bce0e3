"""Names in a code page are read as they were written, or nobody claims to know how."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.shared.archives.code_pages import DOS, UNIX, Pages, find_page


def found(names: list[str], page: str, pages: Pages) -> list[str] | None:
    """What names written in a page are read as; None if that can't be known."""
    raw = [name.encode(page) for name in names]
    read, doubt = find_page(raw, pages)
    assert (read is None) == bool(doubt)
    return None if read is None else [name.decode(read) for name in raw]


@pytest.mark.parametrize(
    ("names", "page"),
    [
        (["Äpfel", "Küche", "Straße"], "cp437"),
        (["Äpfel", "Birnen"], "cp850"),
        (["forêt", "été"], "cp850"),
        (["blåbær", "Ørsted"], "cp850"),
        (["Łódka", "źrebię"], "cp852"),
        (["кошка", "собака"], "cp866"),
        (["猫", "花"], "shift_jis"),
        (["猫の写真", "表"], "shift_jis"),
        (["ネコ", "イヌ"], "shift_jis"),
        (["苹果", "香蕉"], "gb2312"),
        (["蘋果", "香蕉"], "big5"),
    ],
)
def test_names_of_windows_are_read(names: list[str], page: str) -> None:
    assert found(names, page, DOS) == names


@pytest.mark.parametrize(
    ("names", "page"),
    [(["kätzchen", "Äpfel"], "iso8859-1"), (["źrebię"], "iso8859-2"), (["苹果", "香蕉"], "gb2312")],
)
def test_names_of_unix_are_read(names: list[str], page: str) -> None:
    assert found(names, page, UNIX) == names


@pytest.mark.parametrize(
    ("names", "page", "pages"),
    [
        (["犬"], "shift_jis", DOS),
        (["猫", "花"], "gb2312", DOS),
        (["강아지"], "euc_kr", DOS),
        (["кошка"], "koi8-r", UNIX),
    ],
)
def test_names_that_make_sense_in_two_pages_are_not_guessed(
    names: list[str], page: str, pages: Pages
) -> None:
    assert found(names, page, pages) is None
    _, doubt = find_page([name.encode(page) for name in names], pages)
    assert any(name in doubt for name in names)
    assert " or " in doubt


def test_bytes_that_make_no_sense_are_in_no_page() -> None:
    assert find_page([b"\x01\x80\xff\xfe"], DOS) == (None, "is in no encoding that is known")


EASTERN = st.sampled_from(["shift_jis", "euc_jp", "gb2312", "big5", "euc_kr"])


@given(st.lists(st.sampled_from("日本語学校犬猫花人大小山川木"), min_size=1, max_size=8), EASTERN)
def test_no_eastern_name_is_taken_for_a_western_one(characters: list[str], page: str) -> None:
    name = "".join(characters)
    try:
        raw = name.encode(page)
    except UnicodeError:
        return
    for pages in (DOS, UNIX):
        read, _ = find_page([raw], pages)
        assert read is None or not raw.decode(read).isascii()
        assert read not in ("cp437", "cp850", "cp852", "iso8859-1", "iso8859-2")
