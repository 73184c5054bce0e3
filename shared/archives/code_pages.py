"""Names whose bytes say no encoding: which one they are in can be known only if they make sense in one alone.

Zips of old Windows programs have names in the code page of the system that wrote them, archives and disks of
old Unix systems in that of their locale.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from jobyard.shared.archives.members import printable


@dataclass(frozen=True)
class Pages:
    """Encodings that may be meant. The `usual` one wins over others of its script."""

    usual: str
    others: tuple[str, ...]


# Of the East only the characters of the national standards' first level, which people use; the rest makes
# sense of any bytes.
_EASTERN = ("shift_jis", "euc_jp", "gb2312", "big5", "euc_kr")
# APPNOTE 4.4.4 says cp437; Windows takes what the system has.
DOS = Pages("cp437", ("cp850", "cp852", "cp866", *_EASTERN))
UNIX = Pages("iso8859-1", ("iso8859-2", "cp1251", "koi8-r", *_EASTERN))

# So many names tell a code page as well as all do.
MAX_SAMPLE = 2_000

_FIRST_LEVEL = {
    "shift_jis": range(0x88, 0x99),
    "euc_jp": range(0xB0, 0xD0),
    "gb2312": range(0xB0, 0xD8),
    "big5": range(0xA4, 0xC7),
    "euc_kr": range(0xB0, 0xC9),
}
_PUNCTUATION = frozenset("/\\ -_.,()[]{}'!&+=@#~;%$^`0123456789·・ー々–’")


def find_page(names: Iterable[bytes], pages: Pages) -> tuple[str | None, str]:
    """The one of the pages in which all of the names, of which none is UTF-8, make sense.

    Or None, and what they could be.
    """
    raw = sorted(set(names))[:MAX_SAMPLE]
    readings = {
        page: read
        for page in (pages.usual, *pages.others)
        if (read := _read(raw, page)) is not None and all(map(_makes_sense, read))
    }
    if pages.usual in readings:
        usual = readings[pages.usual]
        rivals = [page for page, read in readings.items() if _script(read) != _script(usual)]
        if not rivals:
            return pages.usual, ""
        readings = {page: readings[page] for page in (pages.usual, *rivals)}
    by_reading = {tuple(read): page for page, read in reversed(readings.items())}
    if len(by_reading) == 1:
        return next(iter(by_reading.values())), ""
    could = " or ".join(
        f"{printable(read[0], 40)!r} ({page})"
        for read, page in sorted(by_reading.items(), key=lambda one: one[1])
    )
    return None, f"could be {could}" if could else "is in no encoding that is known"


def _read(names: Sequence[bytes], page: str) -> list[str] | None:
    try:
        if page in _FIRST_LEVEL and not all(_is_first_level(name.decode(page), page) for name in names):
            return None
        return [unicodedata.normalize("NFC", name.decode(page)) for name in names]
    except UnicodeError:
        return None


def _is_first_level(name: str, page: str) -> bool:
    encoded = (character.encode(page) for character in name if ord(character) > 0x3FFF)
    return all(one[0] in _FIRST_LEVEL[page] for one in encoded)


def _makes_sense(name: str) -> bool:
    """Whether the name is of words, each in one script, as people write them."""
    words = "".join(
        character if unicodedata.category(character)[0] in "LM" else " " for character in name
    ).split()
    others = {character for character in name if unicodedata.category(character)[0] not in "LM"}
    # Of a path only one of both is what separates; the other is half a letter.
    return others <= _PUNCTUATION and not {"/", "\\"} <= others and all(map(_is_word, words))


def _is_word(word: str) -> bool:
    scripts = {_script_of(character) for character in word}
    if len(scripts) > 1 or "" in scripts:
        return False
    if word.isascii() or scripts & {"EAST"}:
        return True
    # "öL" and "îó" are Japanese in the wrong code page.
    has_case_inside = any(first.islower() and second.isupper() for first, second in pairwise(word))
    return not has_case_inside and (scripts != {"LATIN"} or any(map(str.isascii, word)))


def _script(names: Iterable[str]) -> frozenset[str]:
    letters = (character for name in names for character in name if character.isalpha())
    return frozenset(_script_of(character) for character in letters if not character.isascii())


def _script_of(character: str) -> str:
    if character in "ªº":
        return ""
    name = unicodedata.name(character, "").partition(" ")[0]
    return {"CJK": "EAST", "HIRAGANA": "EAST", "KATAKANA": "EAST", "HANGUL": "EAST"}.get(
        name, name if name in ("LATIN", "CYRILLIC", "GREEK", "COMBINING") else ""
    )
