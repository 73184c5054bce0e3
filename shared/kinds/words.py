"""Words of a text, for the titles of jobs."""

from typing import Final

TITLE_CHARACTERS: Final = 60
# Of a text that may be long: what is looked at.
_BEGINNING: Final = 400


def first_words(text: str) -> str:
    """The beginning of a text on one line: as many whole words as TITLE_CHARACTERS have room for.

    A text of one long word is cut within it. "" for a text without a printable character.
    """
    beginning = "".join(character if character.isprintable() else " " for character in text[:_BEGINNING])
    line = " ".join(beginning.split())
    if len(line) <= TITLE_CHARACTERS:
        return line if len(text) <= _BEGINNING or not line else f"{line} …"
    cut = line[:TITLE_CHARACTERS]
    words = cut if line[TITLE_CHARACTERS] == " " else cut.rpartition(" ")[0]
    return f"{words} …" if words else f"{cut}…"
