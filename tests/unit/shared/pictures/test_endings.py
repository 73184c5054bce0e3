"""What comes after a picture in its file is no part of it: it is known where each format ends."""

import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jobyard.shared.pictures import check_signature, decoded, end_of
from jobyard.shared.pictures.endings import essential
from tests.pictures import saved

REST = b"\xff\xd9\0\0;IEND" + bytes(5_000)
NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (61, 47, 3), dtype=np.uint8))


def pixels(content: bytes) -> str:
    with decoded(io.BytesIO(content)) as image:
        return hashlib.sha256(image.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("format", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True, "restart_marker_rows": 1}),
        ("JPEG", "L", {"comment": b"\xff\xd9 is how one ends"}),
        ("MPO", "RGB", {"save_all": True, "append_images": [NOISE.rotate(180)]}),
        ("PNG", "RGB", {}),
        ("PNG", "RGBA", {"save_all": True, "append_images": [NOISE.convert("RGBA").rotate(180)]}),
        ("GIF", "P", {"save_all": True, "append_images": [NOISE.rotate(180).convert("P")]}),
        ("BMP", "RGB", {}),
        ("BMP", "P", {}),
        ("BMP", "1", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGBA", {"lossless": True, "exif": b"Exif\0\0x"}),
    ],
)
def test_the_rest_is_cut_and_no_pixel_changes(format: str, mode: str, options: dict[str, object]) -> None:  # noqa: A002
    content = saved(NOISE.convert(mode), format, **options)
    name = check_signature(content[:16])
    end = end_of(content + REST, name)
    assert end == (len(content) if format != "MPO" else content.index(b"\xff\xd8\xff", 2))
    assert pixels(content[:end]) == pixels(content + REST) == pixels(content)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_of_a_file_that_ends_too_early_nothing_is_cut(format: str) -> None:  # noqa: A002
    content = saved(NOISE, format)
    for size in range(14, len(content), 97):
        assert end_of(content[:size], format) == size


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(*chunks: bytes) -> bytes:
    plain = saved(NOISE)
    return plain[:33] + b"".join(chunks) + plain[33:]


def test_texts_that_unpack_to_many_times_their_size_do_not_cost_the_picture() -> None:
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50 << 20)))
    profile = chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(50 << 20)))
    plain = saved(NOISE)
    content = with_chunks(*[bomb] * 100, profile, chunk(b"prVt", bytes(100_000)))
    assert essential(content) == plain
    assert pixels(content) == pixels(plain)


def test_the_text_by_which_a_picture_is_turned_counts() -> None:
    packet = b'<x:xmpmeta xmlns:tiff="http://ns.adobe.com/tiff/1.0/"><a tiff:Orientation="6"/></x:xmpmeta>'
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
    with decoded(io.BytesIO(with_chunks(text))) as image:
        assert image.size == (61, 47)
