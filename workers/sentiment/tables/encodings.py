"""Texts in other encodings, as UTF-8."""

import codecs
from collections.abc import Iterator

from jobyard.shared.errors import WorkError

UTF_8 = ("utf-8", "utf-8-sig")
BOM = codecs.BOM_UTF8
WIDE = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


# Of the first pairs of bytes of English in UTF-16, so many have a zero on one side, and on the other.
PAIRS = 2_048
MANY, FEW = 0.7, 0.02


def refuse_wide(head: bytes, encoding: str) -> None:
    """Raises WorkError for a file that says by its first bytes that it is not in the encoding asked for.

    UTF-8 is asked for where nothing is: see `encoding_of`.
    """
    if encoding.startswith(("utf-", "ascii")):
        return
    for bom, name in (WIDE | {BOM: "utf-8"}).items():
        if head.startswith(bom):
            raise WorkError(f'the file is {name.upper()}; `encoding` should be "{name}"')


def encoding_of(head: bytes, asked: str) -> str:
    """The encoding of a file with these first bytes: the one asked for, or UTF-16 or 32 if they are that."""
    if asked not in UTF_8:
        return asked
    for bom, wide in WIDE.items():
        if head.startswith(bom):
            return wide
    first = head[: 2 * PAIRS]
    pairs = len(first) // 2
    for name, wanted, other in (
        ("utf-16-le", first[1::2], first[::2]),
        ("utf-16-be", first[::2], first[1::2]),
    ):
        if pairs > 1 and wanted.count(0) >= MANY * pairs and other.count(0) <= FEW * pairs:
            return name
    return asked


def is_utf_8(head: bytes) -> bool:
    """Whether these first bytes are UTF-8, and not of ASCII alone."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not head.isascii()


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
            f"line {lines + at + 1}: is not {encoding}; `encoding` should be that of the file"
        ) from None
