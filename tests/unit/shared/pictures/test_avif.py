"""An AVIF's size is read before it is decoded, also that which its AV1 data say."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from jobyard.shared.pictures import NotAPicture, check_header, cost, decoded
from jobyard.shared.pictures.avif import MAX_STEPS, read_avif
from tests.allocations import allocated
from tests.pictures import saved

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (41, 300, 3), dtype=np.uint8))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("options", [{}, {"subsampling": "4:4:4"}, {"quality": 100}])
def test_both_sizes_are_known_from_the_header(mode: str, options: dict[str, object]) -> None:
    header = check_header(io.BytesIO(saved(NOISE.convert(mode), "AVIF", **options)))
    assert header == ("AVIF", "AVIF", 300, 41, 300 * 41)


def test_it_is_decoded_upright_and_laid_on_the_background() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    with decoded(io.BytesIO(saved(picture, "AVIF", exif=exif, quality=100))) as image:
        assert image.size == (20, 40)
        assert np.allclose(image.getpixel((9, 9)), (255, 255, 255), atol=2)


def test_a_container_that_lies_about_its_data_is_reckoned_with_the_data() -> None:
    content = saved(NOISE, "AVIF")
    at = content.index(b"ispe") + 8
    lying = content[:at] + struct.pack(">II", 8, 8) + content[at + 8 :]
    header = check_header(io.BytesIO(lying))
    assert (header.pixels, header.decoded) == (64, 300 * 41)
    assert cost(header, len(lying)) == cost(check_header(io.BytesIO(content)), len(content))


def test_what_is_more_than_one_picture_is_refused_by_its_name() -> None:
    frames = saved(NOISE, "AVIF", save_all=True, append_images=[NOISE.rotate(180)])
    with pytest.raises(NotAPicture, match="is an animated AVIF: export it as JPEG or PNG"):
        check_header(io.BytesIO(frames))
    tiles = saved(NOISE, "AVIF").replace(b"av01", b"grid", 1)
    with pytest.raises(NotAPicture, match="is an AVIF made of several pictures"):
        check_header(io.BytesIO(tiles))


def box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", len(data) + 8, kind) + data


def test_boxes_without_an_end_come_to_one() -> None:
    with pytest.raises(NotAPicture, match=f"more than {MAX_STEPS:,} parts"):
        read_avif(io.BytesIO(box(b"ftyp", b"avif") + box(b"free") * (MAX_STEPS + 1)))
    sizes = box(b"iprp", box(b"ipco", box(b"ispe", bytes(12)) * (MAX_STEPS + 1)))
    with pytest.raises(NotAPicture, match=f"more than {MAX_STEPS:,} parts"):
        read_avif(io.BytesIO(box(b"meta", bytes(4), sizes)))


def test_an_item_that_is_the_whole_file_many_times_is_refused_before_it_is_read_so_often() -> None:
    size = 1 << 20
    item = struct.pack(">4xBBHHHH", 0x44, 0, 1, 1, 0, 1_000) + 1_000 * struct.pack(">II", 0, size)
    kinds = struct.pack(">4xH", 1) + box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", 1, 0, b"av01"))
    sizes = box(b"ipco", box(b"ispe", struct.pack(">4xII", 8, 8)))
    meta = box(b"meta", bytes(4), box(b"iprp", sizes), box(b"iinf", kinds), box(b"iloc", item))
    content = meta + box(b"mdat", bytes(size))
    with allocated() as peak, pytest.raises(NotAPicture, match="more bytes than the file"):
        read_avif(io.BytesIO(content))
    assert peak.bytes < 4 * len(content)


def decode(content: bytes) -> str:
    with decoded(io.BytesIO(content)) as image:
        return image.mode


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=12))
def test_a_damaged_one_is_a_picture_or_a_reason(damage: list[tuple[int, int]]) -> None:
    content = bytearray(saved(Image.new("RGB", (16, 16), (9, 99, 199)), "AVIF"))
    for place, value in damage:
        content[place % len(content)] = value
    try:
        told = decode(bytes(content))
    except NotAPicture as error:
        told = error.message
    assert told == "RGB" or len(told) > 10
