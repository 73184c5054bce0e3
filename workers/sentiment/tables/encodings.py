"""Texts in other encodings, as UTF-8."""

import codecs
from collections.abc import Iterator

from jobyard.shared.errors import WorkError

UTF_8 = ("utf-8", "utf-8-sig")
BOM = codecs.BOM_UTF8
WIDE = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def refuse_wide(head: bytes, encoding: str) -> None:
    """Raises WorkError for a file that says by its first bytes that it is in another encoding."""
    if encoding.startswith(("utf-16", "utf-32")):
        return
    for bom, wide in WIDE.items():
        if head.startswith(bom):
            raise WorkError(f'the file is {wide.upper()}; `encoding` should be "{wide}"')


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
