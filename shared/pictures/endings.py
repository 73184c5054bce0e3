"""Where a picture ends in its file, and which parts of a PNG are the picture."""

import re
import struct
from collections.abc import Callable, Iterator

from jobyard.shared.pictures.formats import NotAPicture
from jobyard.shared.pictures.headers import ALONE, BMP_RLE, palette_bytes

# Of a JPEG. Within a scan 0xFF is followed by 0 (it is a datum), by a restart marker, or by another 0xFF.
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
EOI = 0xD9
MAX_CHUNKS = 200_000
PNG_START = 8

# What of a PNG has a say in its pixels, and two texts by which a picture may be turned.
ESSENTIAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf"}
TEXTS = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")
MAX_TEXT = 1 << 20


def end_of(content: bytes, name: str) -> int:
    """Where a picture of that format ends: what comes after is no part of it. If unknown, the file's end."""
    find = _ENDS.get(name)  # a TIFF and an AVIF may have what they need anywhere
    if find is None:
        return len(content)
    try:
        end = find(content)
    except (struct.error, IndexError, NotAPicture):
        return len(content)
    return min(end, len(content))


def essential(content: bytes) -> bytes:
    """A PNG without the chunks that its pixels don't need: texts and profiles may unpack to far more.

    Of each chunk of which there is one, the first. Raises NotAPicture for one of far too many chunks.
    """
    kept = [content[:PNG_START]]
    seen: set[bytes] = set()
    for kind, start, end in _chunks(content):
        key = kind
        if kind in (b"iTXt", b"zTXt", b"tEXt"):
            key = next((text for text in TEXTS if content.startswith(text, start + 8)), b"")
            if not key or end - start > MAX_TEXT:
                continue
        elif kind not in ESSENTIAL:
            continue
        if key in seen and kind != b"IDAT":
            continue
        seen.add(key)
        kept.append(content[start:end])
    return b"".join(kept)


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The type of each chunk, and where it starts and ends; the last one may be cut off."""
    at = PNG_START
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(content):
            return
        length, kind = struct.unpack_from(">I4s", content, at)
        yield kind, at, at + length + 12
        at += length + 12
        if kind == b"IEND":
            return
    raise NotAPicture(f"can't be read: has more than {MAX_CHUNKS:,} chunks")


def _png(content: bytes) -> int:
    kind, end = b"", 0
    for kind, _, end in _chunks(content):  # noqa: B007 (the last one counts)
        pass
    return end if kind == b"IEND" else len(content)


def _jpeg(content: bytes) -> int:
    """After the first picture: more of them, or a film, may follow it."""
    at = 2
    while found := MARKER.search(content, at):
        at, marker = found.end(), content[found.end() - 1]
        if marker == EOI:
            return at
        if marker not in ALONE:
            at += struct.unpack_from(">H", content, at)[0]
    return len(content)


def _gif(content: bytes) -> int:
    at = 13 + palette_bytes(content[10])
    while content[at] != 0x3B:
        if content[at] == 0x21:
            at = _after_blocks(content, at + 2)
        elif content[at] == 0x2C:
            at += 10 + palette_bytes(content[at + 9])
            at = _after_blocks(content, at + 1)
        else:
            return len(content)
    return at + 1


def _after_blocks(content: bytes, at: int) -> int:
    while length := content[at]:
        at += 1 + length
    return at + 1


def _webp(content: bytes) -> int:
    size = int.from_bytes(content[4:8], "little")
    return 8 + size + size % 2


def _bmp(content: bytes) -> int:
    """The size that a BMP says it has is often wrong: it is taken from the pixels."""
    offset, header = struct.unpack_from("<II", content, 10)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", content, 18)
        compression = size = 0
    else:
        width, height, _, bits, compression, size = struct.unpack_from("<IiHHII", content, 18)
    if compression in BMP_RLE:
        size = size or len(content)
    else:
        size = (width * bits + 31) // 32 * 4 * abs(height)
    return int(offset + size)


_ENDS: dict[str, Callable[[bytes], int]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "BMP": _bmp,
    "WEBP": _webp,
}
