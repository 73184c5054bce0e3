"""Pictures from outside become upright 8-bit RGB, or a reason why not; warnings stay inside."""

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jobyard.shared.pictures import FORMATS, NotAPicture, check_header, check_signature, decoded, to_array
from tests.pictures import saved

RED = (255, 0, 0)


def decode(file: io.BytesIO) -> Image.Image:
    """A copy of the picture, which outlives its context."""
    with decoded(file) as image:
        return image.copy()


def pixel(content: bytes, at: tuple[int, int] = (0, 0)) -> tuple[int, ...]:
    image = decode(io.BytesIO(content))
    assert image.mode == "RGB"
    value = image.getpixel(at)
    assert isinstance(value, tuple)
    return tuple(int(part) for part in value)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read(format: str) -> None:  # noqa: A002
    content = saved(Image.new("RGB", (9, 7), RED), format)
    assert check_signature(content[:16]) == format
    check_header(io.BytesIO(content))
    assert decode(io.BytesIO(content)).size == (9, 7)
    assert np.allclose(pixel(content), RED, atol=3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    content = saved(
        Image.new("RGB", (4, 4), (255, 255, 255)).convert(mode), "JPEG" if mode == "CMYK" else "PNG"
    )
    assert pixel(content) == (255, 255, 255)


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    grey = np.array([[0, 0x4000, 0x8000, 0xFFFF]], dtype=np.uint16)
    image = decode(io.BytesIO(saved(Image.fromarray(grey))))
    assert [image.getpixel((x, 0)) for x in range(4)] == [(value,) * 3 for value in (0, 64, 128, 255)]


@pytest.mark.parametrize(
    ("colours", "samples", "seen"),
    [
        (0, [0x8000], (128, 128, 128)),
        (2, [0xFFFF, 0x8000, 0x00FF], (255, 128, 0)),
        (4, [0x8000, 0xFFFF], (128, 128, 128)),
        (6, [0xFFFF, 0x8000, 0x00FF, 0x1234], (255, 128, 0)),
    ],
)
def test_sixteen_bit_pictures_of_every_colour_type_are_scaled(
    colours: int, samples: list[int], seen: tuple[int, ...]
) -> None:
    content = png(1, 1, 16, colours, b"\0" + struct.pack(f">{len(samples)}H", *samples))
    assert np.allclose(pixel(content), seen, atol=1)


def test_the_colours_of_cmyk_are_right() -> None:
    inks = {RED: (0, 255, 255, 0), (0, 0, 255): (255, 255, 0, 0), (0, 0, 0): (0, 0, 0, 255)}
    for colour, ink in inks.items():
        content = saved(Image.new("CMYK", (16, 16), ink), "JPEG", quality=95)
        assert np.allclose(pixel(content, (8, 8)), colour, atol=3)


def test_a_palette_with_transparency_is_read_without_a_warning() -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, *RED])
    assert pixel(saved(image, transparency=b"\x00\x80")) == RED


@pytest.mark.parametrize(
    ("format", "options"),
    [("JPEG", {"quality": 95, "subsampling": 0}), ("PNG", {}), ("WEBP", {"lossless": True})],
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_followed(orientation: int, format: str, options: dict[str, Any]) -> None:  # noqa: A002
    upright = Image.new("RGB", (40, 20), (0, 0, 255))
    upright.paste(RED, (0, 0, 20, 10))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(stored, format, exif=exif, **options)
    assert decode(io.BytesIO(content)).size == (40, 20)
    assert np.allclose(pixel(content, (5, 5)), RED, atol=8)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0junk", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_exif_that_is_broken_does_not_cost_the_picture(exif: bytes) -> None:
    assert np.allclose(pixel(saved(Image.new("RGB", (4, 4), RED), "JPEG", exif=exif)), RED, atol=3)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_of_an_animated_picture_the_first_frame_is_taken(format: str) -> None:  # noqa: A002
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
    content = saved(frames[0], format, save_all=True, append_images=frames[1:])
    assert np.allclose(pixel(content), RED, atol=3)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_a_truncated_picture_passes_the_header_but_does_not_decode(format: str) -> None:  # noqa: A002
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = saved(Image.fromarray(noise), format)
    content = content[: len(content) // 2]
    if format != "WEBP":  # whose header says how long the file is
        check_header(io.BytesIO(content))
    with pytest.raises(NotAPicture):
        decode(io.BytesIO(content))


def test_an_empty_file_is_called_empty() -> None:
    with pytest.raises(NotAPicture, match="the file is empty"):
        decode(io.BytesIO())


@pytest.mark.parametrize(
    "content", [b"\0", b"hello", b"\xff\xd8\xff", b"%PDF-1.7", b"<svg/>", b"RIFF0000WAVE"]
)
def test_what_is_no_picture_is_said_to_be_none(content: bytes) -> None:
    for look in (check_header, decode):
        with pytest.raises(NotAPicture, match="not a picture: should be JPEG, PNG, GIF, BMP or WebP"):
            look(io.BytesIO(content))


def test_other_formats_that_pillow_knows_are_refused() -> None:
    content = saved(Image.new("RGB", (4, 4)), "TIFF")
    with pytest.raises(NotAPicture, match="not a picture"):
        check_signature(content[:16])
    with pytest.raises(NotAPicture, match="not a picture"):
        decode(io.BytesIO(content))


def png(width: int, height: int, bits: int, colours: int, rows: bytes) -> bytes:
    """A PNG of that colour type; each of the rows begins with its filter, 0."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = png(50_000, 50_000, 8, 2, bytes(1_000))
    for look in (check_header, decode):
        with pytest.raises(
            NotAPicture, match="too large: 50000×50000 pixels, should have at most 89,478,485"
        ):
            look(io.BytesIO(bomb))


def test_warnings_of_pillow_reach_nobody() -> None:
    truncated_exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
    content = saved(Image.new("RGB", (4, 4), RED), "JPEG", exif=truncated_exif)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decode(io.BytesIO(content))
        check_header(io.BytesIO(content))
    assert caught == []


def outcome(content: bytes) -> str:
    """The mode of the decoded picture, or the reason why there is none."""
    try:
        return decode(io.BytesIO(content)).mode
    except NotAPicture as error:
        return error.message


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"]),
)
def test_any_bytes_are_a_picture_or_a_reason(rest: bytes, start: bytes) -> None:
    told = outcome(start + rest)
    assert told == "RGB" or (len(told) > 10 and "\n" not in told)


@given(st.integers(0, 2**32), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=20))
def test_a_damaged_picture_is_a_picture_or_a_reason(seed: int, damage: list[tuple[int, int]]) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    for format in FORMATS:  # noqa: A001
        content = bytearray(saved(Image.fromarray(noise), format))
        for place, value in damage:
            content[place % len(content)] = value
        told = outcome(bytes(content))
        assert told == "RGB" or len(told) > 10


def test_arrays_are_square_rgb_bytes() -> None:
    array = to_array(Image.new("RGB", (31, 17), RED), 8)
    assert array.shape == (8, 8, 3)
    assert array.dtype == np.uint8
    assert (array == RED).all()
