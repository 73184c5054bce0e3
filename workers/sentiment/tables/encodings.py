"""Texts in other encodings, as UTF-8."""

import codecs
import re
from collections.abc import Iterator

from jobyard.shared.errors import WorkError

UTF_8 = ("utf-8", "utf-8-sig")
BOM = codecs.BOM_UTF8
WIDE = {
    codecs.BOM_UTF32_LE: "utf-32",  # before that of UTF-16, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

# Of the first pairs of bytes of English in UTF-16, so many have a zero on one side, and on the other.
PAIRS = 2_048
MANY, FEW = 0.7, 0.02
# In other scripts, delimiters, digits and ends of lines alone have zeros.
LEAST = 0.02

# What UTF-8 becomes that is taken for Latin-1 or cp1252 and encoded once more, such as ’ and é.
TWICE = re.compile(rb"\xc3\xa2\xe2\x82\xac|\xc3\x83\xc2[\xa0-\xbf]")
# What Latin-1 has no letters for, and cp1252 has curly quotes, dashes and the euro sign.
OF_CP1252 = re.compile(rb"[\x80\x85\x91-\x97\x99]")


def refuse_wide(head: bytes, encoding: str) -> None:
    """Raises WorkError for a file that says by its first bytes that it is not in the encoding asked for.

    UTF-8 is asked for where nothing is: see `encoding_of`.
    """
    if encoding in (*UTF_8, "ascii"):
        return
    found = next((name for bom, name in (WIDE | {BOM: "utf-8"}).items() if head.startswith(bom)), None)
    is_narrow = encoding.startswith("utf-") and b"\0" not in head and is_utf_8(head, also_ascii=True)
    if found is None and is_narrow:
        found = "utf-8"
    found = found or _without_bom(head)
    if found is not None and not (found == encoding or encoding in found or found in encoding):
        raise WorkError(f'the file is {found.upper()}; `encoding` should be "{found}"', field="encoding")


def encoding_of(head: bytes, asked: str) -> str:
    """The encoding of a file with these first bytes: the one asked for, or UTF-16 or 32 if they are that."""
    if asked not in (*UTF_8, "utf-16", "utf-32"):
        return asked
    for bom, wide in WIDE.items():
        if head.startswith(bom):
            return wide
    return _without_bom(head) or asked


def _without_bom(head: bytes) -> str | None:
    """The wide encoding of a file that doesn't say it, by where it has zeros; None if it has none."""
    first = head[: 2 * PAIRS]
    pairs = len(first) // 2
    for name, wanted, other in (
        ("utf-16-le", first[1::2], first[::2]),
        ("utf-16-be", first[::2], first[1::2]),
    ):
        if pairs > 1 and wanted.count(0) >= MANY * pairs and other.count(0) <= FEW * pairs:
            return name
    quads = len(first) // 4
    zeros = [first[place : 4 * quads : 4].count(0) for place in range(4)]
    for name, places, letters in (("utf-32-le", (2, 3), 0), ("utf-32-be", (0, 1), 3)):
        is_wide = all(zeros[place] >= MANY * quads for place in places)
        if quads > 1 and is_wide and zeros[letters] <= FEW * quads and _is_text(first, name):
            return name
    for name, side in (("utf-16-le", 1), ("utf-16-be", 0)):
        zeros_here, zeros_there = first[side::2].count(0), first[1 - side :: 2].count(0)
        if zeros_here >= max(2, LEAST * pairs) and not zeros_there and _is_text(first, name):
            return name
    return None


def _is_text(data: bytes, encoding: str) -> bool:
    """Whether these bytes are nothing but letters, marks and white space in an encoding, and have lines."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return False
    return "\n" in text and all(one.isprintable() or one in "\r\n\t\x01\xa0\ufeff" for one in text)


def text_begin(head: bytes) -> int:
    """Where the text begins: after byte order marks, of which some programs write one more."""
    at = 0
    while head.startswith(BOM, at):
        at += len(BOM)
    return at


def doubts(head: bytes) -> list[str]:
    """Sentences about UTF-8 that was taken for another encoding before."""
    if TWICE.search(head) is None:
        return []
    return [
        "some letters seem to have been encoded twice, as in â€™ for ’ and Ã© for é; VADER doesn't know such "
        "words"
    ]


def is_utf_8(head: bytes, *, also_ascii: bool = False) -> bool:
    """Whether these first bytes are UTF-8, and not of ASCII alone."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return also_ascii or not head.isascii()


def decoded(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The same text in UTF-8. Raises WorkError that names the line where it is not in that encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 0
    for block in blocks:
        plain = _decoded(decoder, block, encoding, lines)
        lines += plain.count(b"\n")
        yield plain
    yield _decoded(decoder, b"", encoding, lines)


def _decoded(decoder: codecs.IncrementalDecoder, block: bytes, encoding: str, lines: int) -> bytes:
    try:
        return decoder.decode(block, final=not block).encode()
    except UnicodeError as error:  # decoders of odd sizes raise UnicodeError itself
        at = block.count(b"\n", 0, error.start) if isinstance(error, UnicodeDecodeError) else 0
        raise WorkError(
            f"line {lines + at + 1}: is not {encoding}; `encoding` should be that of the file",
            field="encoding",
        ) from None
