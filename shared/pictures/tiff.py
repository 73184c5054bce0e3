"""The header of a TIFF (TIFF 6.0, Adobe 1992): the tags of its first picture, with their bounds.

Pillow reads the values of all tags into memory, wherever they are in the file: a small one may have so many
that all in all are gigabytes. Raw photographs are TIFFs whose first picture is a thumbnail.
"""

import struct
from typing import IO, NamedTuple

from jobyard.shared.pictures.formats import NotAPicture
from jobyard.shared.pictures.other_formats import EXPORT

MAX_TAGS = 1_000
# What a type's values take; of those that are not known Pillow reads nothing.
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
SHORT, LONG = 3, 4

REDUCED, WIDTH, HEIGHT, BITS, BLACK_IS_ZERO = 254, 256, 257, 258, 262
TILE_WIDTH, TILE_HEIGHT, SAMPLE_FORMAT, DNG = 322, 323, 339, 50706
UNSIGNED = 1


class Tiff(NamedTuple):
    """`bits` of a sample; `decoded` are the pixels that are decoded at once, with those of whole tiles."""

    width: int
    height: int
    bits: int
    decoded: int


def read_tiff(file: IO[bytes]) -> Tiff:
    """Of a file that can be sought. Raises NotAPicture, and struct.error where it ends too early."""
    length = file.seek(0, 2)
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    (offset,) = struct.unpack(f"{order}2xI", file.read(6))
    tags = _Tags(file, order, offset, length)
    if DNG in tags.found or tags.value(REDUCED, 0) & 1:
        raise NotAPicture(f"is a raw photograph, or has a thumbnail first: {EXPORT}")
    width, height = tags.value(WIDTH, 0), tags.value(HEIGHT, 0)
    bits = max(tags.values(BITS, 1))
    if bits > 16 or set(tags.values(SAMPLE_FORMAT, UNSIGNED)) != {UNSIGNED}:
        raise NotAPicture("is a TIFF of measurements: should have 8 or 16 bits a sample, without a sign")
    if bits > 8 and tags.value(BLACK_IS_ZERO, 1) == 0:
        raise NotAPicture("is a TIFF in which 0 is white: with 16 bits a sample 0 should be black")
    across, down = tags.value(TILE_WIDTH, width), tags.value(TILE_HEIGHT, height)
    tile = across * down
    whole = -(-width // across) * -(-height // down) * tile if tile else 0
    return Tiff(width, height, bits, max(width * height, tile, min(whole, width * height + tile)))


class _Tags:
    """The tags of the first picture: `found` has the type, the count and the place of the values of each."""

    def __init__(self, file: IO[bytes], order: str, offset: int, length: int) -> None:
        self._file = file
        self._order = order
        file.seek(offset)
        (count,) = struct.unpack(f"{order}H", file.read(2))
        if count > MAX_TAGS:
            raise NotAPicture(f"can't be read: the TIFF has more than {MAX_TAGS:,} tags")
        self.found: dict[int, tuple[int, int, int]] = {}
        total = 0
        for number in range(count):
            at = offset + 2 + 12 * number
            file.seek(at)
            tag, kind, values, place = struct.unpack(f"{order}HHII", file.read(12))
            size = values * TYPE_BYTES.get(kind, 0)
            total += size
            if tag in self.found:
                raise NotAPicture("can't be read: the TIFF has a tag twice")
            self.found[tag] = kind, values, place if size > 4 else at + 8
        if total > length:
            raise NotAPicture("can't be read: the tags of the TIFF have more bytes than the file")

    def value(self, tag: int, default: int) -> int:
        """The first of a tag's whole numbers."""
        return self.values(tag, default)[0]

    def values(self, tag: int, default: int) -> tuple[int, ...]:
        """The first of a tag's whole numbers, eight at most. Raises NotAPicture for those of other types.

        The standard has these in two types only, but libtiff takes a tile's size of any.
        """
        if tag not in self.found:
            return (default,)
        kind, count, place = self.found[tag]
        if kind not in (SHORT, LONG) or not count:
            raise NotAPicture(f"can't be read: the TIFF has the tag {tag} in a type that it should not have")
        count = min(count, 8)
        self._file.seek(place)
        form = f"{self._order}{count}{'H' if kind == SHORT else 'I'}"
        return struct.unpack(form, self._file.read(struct.calcsize(form)))
