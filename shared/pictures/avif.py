"""The header of an AVIF (ISO/IEC 14496-12 and 23008-12, AOM's AVIF 1.1 and AV1): how large it is, and may be.

What the container says is compared by the decoder only after it has decoded what the AV1 data say, so these
are looked for, too: the sequence headers of all items.
"""

import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

from jobyard.shared.pictures.formats import NotAPicture
from jobyard.shared.pictures.other_formats import EXPORT

MAX_STEPS = 10_000
MAX_META_BYTES = 1 << 20
# libavif decodes no more.
MOST_PIXELS = 1 << 28
SEQUENCE_HEADER = 1


class Avif(NamedTuple):
    """`decoded` are the pixels that the data may have at most, if these are more than the picture's."""

    width: int
    height: int
    decoded: int


def read_avif(file: IO[bytes]) -> Avif:
    """Of a file that can be sought. Raises NotAPicture; struct.error or IndexError where it ends early."""
    length = file.seek(0, 2)
    steps = iter(range(MAX_STEPS))
    meta = b""
    for kind, start, end in _top(file, length, steps):
        if kind == b"moov":
            raise NotAPicture(f"is an animated AVIF: {EXPORT}")
        if kind == b"meta" and not meta:
            if end - start > MAX_META_BYTES:
                raise NotAPicture("can't be read: the AVIF has a header that is too long")
            file.seek(start)
            meta = file.read(end - start)
    inside = dict(_boxes(meta[4:], steps))
    sizes = _sizes(inside.get(b"iprp", b""), steps)
    kinds = _kinds(inside.get(b"iinf", b""), steps)
    if not sizes or not kinds:
        raise NotAPicture("can't be read: the AVIF has no picture")
    if {b"grid", b"iovl", b"iden", b"tmap"} & set(kinds.values()):
        raise NotAPicture(f"is an AVIF made of several pictures: {EXPORT}")
    most = 0
    for item, data in _items(file, inside, length, steps):
        if kinds.get(item) == b"av01":
            most = max(most, *(_sequence_pixels(header) for header in _sequence_headers(data, steps)), 0)
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Avif(width, height, min(most, MOST_PIXELS))


def _step(steps: Iterator[int]) -> None:
    if next(steps, None) is None:
        raise NotAPicture(f"can't be read: the AVIF has more than {MAX_STEPS:,} parts")


def _top(file: IO[bytes], length: int, steps: Iterator[int]) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of the file: type, and where the content starts and ends."""
    at = 0
    while at + 8 <= length:
        _step(steps)
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        start = at + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            start += 8
        end = min(at + size, length) if size else length
        if end < start:
            raise NotAPicture("can't be read: the AVIF has a box that is too short")
        yield kind, start, end
        at = end


def _boxes(data: bytes, steps: Iterator[int]) -> Iterator[tuple[bytes, bytes]]:
    """The boxes in a box: type and content."""
    at = 0
    while at + 8 <= len(data):
        _step(steps)
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 0:
            size = len(data) - at
        if size < 8:
            raise NotAPicture("can't be read: the AVIF has a box that is too short")
        yield kind, data[at + 8 : at + size]
        at += size


def _sizes(properties: bytes, steps: Iterator[int]) -> list[tuple[int, int]]:
    """Width and height of every picture that the container speaks of."""
    containers = [data for kind, data in _boxes(properties, steps) if kind == b"ipco"]
    found = []
    for container in containers:
        for kind, data in _boxes(container, steps):
            if kind == b"ispe":
                width, height = struct.unpack_from(">4xII", data)
                found.append((width, height))
    return found


def _kinds(information: bytes, steps: Iterator[int]) -> dict[int, bytes]:
    """The type of each item by its number."""
    found = {}
    wide = bool(information) and information[0] > 0
    for kind, data in _boxes(information[8 if wide else 6 :], steps):
        if kind == b"infe":
            number, what = struct.unpack_from(">4xH2x4s" if data[0] == 2 else ">4xI2x4s", data)
            found[number] = what
    return found


def _items(
    file: IO[bytes], inside: dict[bytes, bytes], length: int, steps: Iterator[int]
) -> Iterator[tuple[int, bytes]]:
    """The number and the bytes of each item, which all in all are no more than the file."""
    data = inside.get(b"iloc", b"")
    version, widths, more = data[0], data[4], data[5]
    offset_bytes, length_bytes, base_bytes = widths >> 4, widths & 15, more >> 4
    index_bytes = more & 15 if version else 0
    reader = _Reader(data, 6)
    left = length
    for _ in range(reader.number(2 if version < 2 else 4)):
        item = reader.number(2 if version < 2 else 4)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)
        base = reader.number(base_bytes)
        content = bytearray()
        for _ in range(reader.number(2)):
            _step(steps)
            reader.number(index_bytes)
            place, size = base + reader.number(offset_bytes), reader.number(length_bytes)
            size = size or length
            if method == 0:
                file.seek(place)
                content += file.read(min(size, left + 1))
            elif method == 1:
                content += inside.get(b"idat", b"")[place : place + size]
            else:
                raise NotAPicture(f"is an AVIF made of several pictures: {EXPORT}")
            if len(content) > left:
                raise NotAPicture("can't be read: the items of the AVIF have more bytes than the file")
        left -= len(content)
        yield item, bytes(content)


class _Reader:
    """Whole numbers from bytes, one after the other. Raises IndexError at the end."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def number(self, size: int) -> int:
        found = self._data[self._at : self._at + size]
        if len(found) < size:
            raise IndexError
        self._at += size
        return int.from_bytes(found)


def _sequence_headers(data: bytes, steps: Iterator[int]) -> Iterator[bytes]:
    """The sequence headers among the units of AV1 data (AV1, 5.3)."""
    at = 0
    while at < len(data):
        _step(steps)
        kind, has_extension, has_size = data[at] >> 3 & 15, data[at] & 4, data[at] & 2
        at += 2 if has_extension else 1
        size = len(data) - at
        if has_size:
            size = 0
            for place in range(8):
                byte = data[at]
                at += 1
                size |= (byte & 127) << 7 * place
                if byte < 128:
                    break
        if kind == SEQUENCE_HEADER:
            yield data[at : at + size]
        at += size


def _sequence_pixels(header: bytes) -> int:
    """How many pixels a frame may have by its sequence header (AV1, 5.5.1)."""
    bits = _Bits(header)
    bits.take(4)
    is_reduced = bits.take(1)
    if is_reduced:
        bits.take(5)
    else:
        _skip_timing(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    if not is_reduced:  # a frame may say another size, as far as the bits go
        return 1 << width_bits + height_bits
    return (bits.take(width_bits) + 1) * (bits.take(height_bits) + 1)


def _skip_timing(bits: "_Bits") -> None:
    has_model, delay_bits = 0, 0
    if bits.take(1):
        bits.take(64)
        if bits.take(1):
            zeros = 0
            while not bits.take(1):
                zeros += 1
            bits.take(zeros)
        has_model = bits.take(1)
        if has_model:
            delay_bits = bits.take(5) + 1
            bits.take(42)
    has_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if has_model and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if has_delay and bits.take(1):
            bits.take(4)


class _Bits:
    """Whole numbers of some bits each. Raises IndexError at the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:256])
        self._left = 8 * min(len(data), 256)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise IndexError
        return self._value >> self._left & (1 << count) - 1
