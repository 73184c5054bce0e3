"""A picture's header: its format and its size in pixels, before anything is decoded.

Read by code of ours, a few bytes at a time: Pillow reads a WebP whole, and texts of a PNG, before it says how
large the picture is. PNG: W3C, 11.2.2. JPEG: ITU-T T.81, annex B. GIF: GIF89a, 18 to 25. WebP: RFC 9649.
"""

import struct
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from jobyard.shared.pictures.avif import read_avif
from jobyard.shared.pictures.formats import SIGNATURE_BYTES, UNKNOWN, NotAPicture, check_signature
from jobyard.shared.pictures.tiff import read_tiff

# Of a JPEG's segments and a GIF's blocks before the picture; honest files have some hundreds.
MAX_STEPS = 100_000
# Bytes between a JPEG's segments, markers included, in one file.
MAX_JUNK = 1 << 20

PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
# Markers without a length: TEM, RST0 to RST7, SOI, EOI.
ALONE = {0x01, *range(0xD0, 0xDA)}
SCAN = 0xDA
BMP_RLE = {1, 2}


class Header(NamedTuple):
    """`variant` is the format, or what of it is decoded in another way, as "JPEG in scans".

    `decoded` are pixels that are decoded, if these are more than the picture has.
    """

    format: str
    variant: str
    width: int
    height: int
    decoded: int = 0

    @property
    def pixels(self) -> int:
        return self.width * self.height


def read_header(file: IO[bytes]) -> Header:
    """Of a file that can be sought, from its first byte. Raises NotAPicture."""
    file.seek(0)
    name = check_signature(file.read(SIGNATURE_BYTES))
    try:
        return _READERS[name](file)
    except (struct.error, IndexError):  # it ends too early
        raise NotAPicture(UNKNOWN) from None


def _png(file: IO[bytes]) -> Header:
    file.seek(12)
    kind, width, height, bits = struct.unpack(">4sIIB", file.read(13))
    if kind != b"IHDR":
        raise NotAPicture("can't be read: a PNG should begin with the chunk IHDR")
    return Header("PNG", "PNG of 16 bits" if bits == 16 else "PNG", width, height)


def _webp(file: IO[bytes]) -> Header:
    file.seek(12)
    kind, _, data = struct.unpack("<4sI10s", file.read(18).ljust(18, b"\0"))
    match kind:
        case b"VP8 ":
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 6))
        case b"VP8L":
            bits = int.from_bytes(data[1:5], "little")
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (4, 7))
        case _:
            raise NotAPicture("can't be read: a WebP should begin with the chunk VP8, VP8L or VP8X")
    return Header("WEBP", "WEBP", width, height)


def _bmp(file: IO[bytes]) -> Header:
    file.seek(14)
    (size,) = struct.unpack("<I", file.read(4))
    if size == 12:  # of OS/2
        width, height = struct.unpack("<HH", file.read(4))
        return Header("BMP", "BMP", width, height)
    width, height, _, _, compression = struct.unpack("<IiHHI", file.read(16))
    variant = "BMP with RLE" if compression in BMP_RLE else "BMP"
    return Header("BMP", variant, width, abs(height))


def _gif(file: IO[bytes]) -> Header:
    """The canvas, or the first frame where that reaches beyond it."""
    file.seek(6)
    width, height, flags = struct.unpack("<HHB2x", file.read(7))
    file.seek(palette_bytes(flags), 1)
    steps = iter(range(MAX_STEPS))
    for _ in steps:
        match file.read(1):
            case b",":
                left, top, inner_width, inner_height = struct.unpack("<HHHH", file.read(8))
                return Header("GIF", "GIF", max(width, left + inner_width), max(height, top + inner_height))
            case b"!":
                file.read(1)
                for _ in steps:
                    length = file.read(1)
                    if length in (b"", b"\0"):
                        break
                    file.seek(length[0], 1)
            case b"" | b";":
                raise NotAPicture("can't be read: the GIF has no picture")
    raise NotAPicture(f"can't be read: the GIF has more than {MAX_STEPS:,} blocks before its picture")


def palette_bytes(flags: int) -> int:
    """How long a GIF's palette is, by the flags before it."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _tiff(file: IO[bytes]) -> Header:
    found = read_tiff(file)
    variant = "TIFF of 16 bits" if found.bits > 8 else "TIFF"
    return Header("TIFF", variant, found.width, found.height, found.decoded)


def _avif(file: IO[bytes]) -> Header:
    found = read_avif(file)
    return Header("AVIF", "AVIF", found.width, found.height, found.decoded)


def _jpeg(file: IO[bytes]) -> Header:
    file.seek(2)
    found: Header | None = None
    components = 0
    reads = iter(range(MAX_JUNK))
    for _ in range(MAX_STEPS):
        marker = _next_marker(file, reads)
        if marker in ALONE:
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if marker in FRAMES:
            height, width, components = struct.unpack(">xHHB", file.read(6))
            found = Header("JPEG", "JPEG in scans" if marker in PROGRESSIVE else "JPEG", width, height)
            file.seek(length - 8, 1)
        elif marker == SCAN:
            if found is None:
                break
            # One that has not all components is decoded as a progressive one is: all scans are kept.
            (scanned,) = struct.unpack("B", file.read(1))
            return found._replace(variant="JPEG in scans") if scanned < components else found
        else:
            file.seek(max(length - 2, 0), 1)
    raise NotAPicture("can't be read: the JPEG has no frame header")


def _next_marker(file: IO[bytes], reads: Iterator[int]) -> int:
    """The next marker; what is between segments is skipped, as far as `reads` goes.

    Raises struct.error at the end of the file.
    """
    last = 0
    for _ in reads:
        (byte,) = struct.unpack("B", file.read(1))
        if last == 0xFF and byte not in (0, 0xFF):
            return int(byte)
        last = byte
    raise NotAPicture("can't be read: the JPEG's segments are broken")


_READERS: dict[str, Callable[[IO[bytes]], Header]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "BMP": _bmp,
    "WEBP": _webp,
    "TIFF": _tiff,
    "AVIF": _avif,
}
