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
        (6, [0xFFFF, 0x8000, 0x00FF, 0xFFFF], (255, 128, 0)),
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
    assert np.allclose(pixel(saved(image, transparency=b"\x00\x80")), (255, 127, 127), atol=1)


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


@pytest.mark.parametrize("content", [b"\0", b"hello", b"\xff\xd8\xff", b"II*\0", b"RIFF0000WAVE"])
def test_what_is_no_picture_is_said_to_be_none(content: bytes) -> None:
    for look in (check_header, decode):
        with pytest.raises(NotAPicture, match="not a picture: should be JPEG, PNG, GIF, BMP, WebP, TIFF or"):
            look(io.BytesIO(content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is HEIC: export it as JPEG or PNG"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "is HEIC: export it as JPEG or PNG"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp41", "is a film: export its frames as JPEG or PNG"),
        (b"%PDF-1.7", "is a PDF: export its pages as JPEG or PNG"),
        (b"<svg/>", "is SVG: export it as PNG"),
        (b"<?xml version='1.0'?>\n<svg width='1'/>", "is SVG: export it as PNG"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>", "is a web page: download the picture itself"),
        (b"P5\n4 4\n255\n", "is PNM: export it as JPEG or PNG"),
        (bytes(128) + b"DICM", "is DICOM: export it as JPEG or PNG"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d",
            "is a pointer of Git LFS: fetch the pictures with `git lfs pull`",
        ),
    ],
)
def test_what_is_known_is_called_by_its_name_with_what_to_do(content: bytes, said: str) -> None:
    for look in (check_header, decode):
        with pytest.raises(NotAPicture) as raised:
            look(io.BytesIO(content))
        assert raised.value.message == said


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "P", "1", "LA"])
def test_tiff_is_read_in_the_modes_that_pillow_has(mode: str, compression: str) -> None:
    if compression == "jpeg" and mode in ("P", "1", "LA", "RGBA"):
        return
    white = Image.new("RGB", (64, 48), (255, 255, 255)).convert(mode)
    content = saved(white, "TIFF", compression=compression)
    assert np.allclose(pixel(content, (3, 3)), (255, 255, 255), atol=3)


def test_the_first_picture_of_a_tiff_is_taken_upright() -> None:
    upright = Image.new("RGB", (40, 20), (0, 0, 255))
    upright.paste(RED, (0, 0, 20, 10))
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    content = saved(
        stored, "TIFF", tiffinfo={274: 6}, save_all=True, append_images=[Image.new("RGB", (9, 9))]
    )
    assert decode(io.BytesIO(content)).size == (40, 20)
    assert pixel(content, (5, 5)) == RED


def test_sixteen_bits_of_a_tiff_are_scaled_and_measurements_are_refused() -> None:
    grey = np.array([[0, 0x4000, 0x8000, 0xFFFF]], dtype=np.uint16)
    for compression in ("raw", "tiff_lzw"):
        image = decode(io.BytesIO(saved(Image.fromarray(grey), "TIFF", compression=compression)))
        assert [image.getpixel((x, 0)) for x in range(4)] == [(value,) * 3 for value in (0, 64, 128, 255)]
    for odd in (grey.astype(np.float32), grey.astype(np.int32)):
        with pytest.raises(NotAPicture, match="is a TIFF of measurements"):
            decode(io.BytesIO(saved(Image.fromarray(odd), "TIFF")))


@pytest.mark.parametrize("tag", [(254, 1), (50706, b"\1\4\0\0")])
def test_a_raw_photograph_is_not_taken_for_its_thumbnail(tag: tuple[int, int | bytes]) -> None:
    content = saved(Image.new("RGB", (4, 4), RED), "TIFF", tiffinfo=dict([tag]))
    with pytest.raises(NotAPicture, match="is a raw photograph, or has a thumbnail first"):
        decode(io.BytesIO(content))


def tiff(*tags: tuple[int, int, int, int], rest: bytes = b"") -> bytes:
    """A TIFF of these tags: number, type, count, and value or place."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + rest


SIDES = ((256, 4, 1, 8), (257, 4, 1, 8))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tiff(*SIDES, *((n, 7, 90, 8) for n in range(300, 306)), rest=bytes(99)), "more bytes than the file"),
        (tiff(*SIDES, SIDES[0]), "has a tag twice"),
        (tiff(*((number, 4, 1, 8) for number in range(1_200))), "more than 1,000 tags"),
        (tiff((256, 4, 1, 60_000), (257, 4, 1, 60_000)), "too large: 60000×60000 pixels"),
        (tiff(*SIDES[:1]), "not a picture"),
    ],
)  # fmt: skip
def test_a_tiff_that_says_more_than_it_has_is_refused_by_its_header(content: bytes, said: str) -> None:
    with pytest.raises(NotAPicture, match=said):
        check_header(io.BytesIO(content))


def test_the_tiles_of_a_tiff_are_reckoned_with() -> None:
    header = check_header(io.BytesIO(tiff(*SIDES, (322, 4, 1, 5_000), (323, 4, 1, 5_000))))
    assert (header.pixels, header.decoded) == (64, 5_000**2)
    with pytest.raises(NotAPicture, match="too large: tiles of 3,600,000,000 pixels"):
        check_header(io.BytesIO(tiff(*SIDES, (322, 4, 1, 60_000), (323, 4, 1, 60_000))))


def test_sixteen_bits_in_which_0_is_white_are_refused_as_pillow_would_take_them_for_black() -> None:
    def photometric(value: int) -> bytes:
        return tiff(*SIDES, (258, 3, 1, 16), (262, 3, 1, value))

    with pytest.raises(NotAPicture, match="in which 0 is white"):
        check_header(io.BytesIO(photometric(0)))
    assert check_header(io.BytesIO(photometric(1))).variant == "TIFF of 16 bits"


@pytest.mark.parametrize("kind", [1, 8, 9, 13, 16])
def test_tiles_whose_size_is_in_a_type_that_libtiff_alone_reads_are_refused(kind: int) -> None:
    content = tiff(*SIDES, (322, kind, 1, 5_000), (323, kind, 1, 5_000), rest=bytes(40))
    with pytest.raises(NotAPicture, match="the tag 322 in a type that it should not have"):
        check_header(io.BytesIO(content))


# ---- what is transparent

BLUE = (0, 0, 255)


def glyph(mode: str) -> Image.Image:
    """A black dot, half transparent beside it, and nothing else: black under all of it."""
    alpha = Image.new("L", (4, 4), 0)
    alpha.putpixel((0, 0), 255)
    alpha.putpixel((1, 0), 128)
    black = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    black.putalpha(alpha)
    return black.convert(mode)


@pytest.mark.parametrize(
    ("mode", "format"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF")]
)
@pytest.mark.parametrize(
    ("background", "ground"),
    [("white", (255, 255, 255)), ("#0000ff", BLUE), ("black", (0, 0, 0)), (None, (0, 0, 0))],
)
def test_what_is_transparent_is_laid_on_the_background(
    mode: str,
    format: str,  # noqa: A002
    background: str | None,
    ground: tuple[int, ...],
) -> None:
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    with decoded(io.BytesIO(saved(glyph(mode), format, **options)), background=background) as image:
        assert image.mode == "RGB"
        assert image.getpixel((3, 3)) == ground
        assert image.getpixel((0, 0)) == (0, 0, 0)
        assert np.allclose(image.getpixel((1, 0)), [part / 2 for part in ground], atol=1)


@pytest.mark.parametrize("format", ["PNG", "GIF"])
@pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
def test_transparent_colours_of_a_palette_are_laid_on_it_too(
    format: str,  # noqa: A002
    transparency: int | bytes,
) -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([*RED, 0, 0, 0])
    image.putpixel((0, 0), 0)
    if format == "GIF" and isinstance(transparency, bytes):
        return
    content = saved(image, format, transparency=transparency)
    assert [pixel(content, at) for at in ((0, 0), (1, 1))] == [RED, (255, 255, 255)]


@pytest.mark.parametrize(("mode", "colour"), [("RGB", (9, 8, 7)), ("L", 9), ("1", 0)])
def test_one_colour_that_is_transparent_is_laid_on_it_too(mode: str, colour: Any) -> None:
    image = Image.new(mode, (2, 2), colour)
    image.putpixel((0, 0), 1 if mode == "1" else 200 if mode == "L" else RED)
    content = saved(image, transparency=colour)
    assert pixel(content, (1, 1)) == (255, 255, 255)
    assert pixel(content, (0, 0)) != (255, 255, 255) or mode == "1"


def test_a_picture_that_is_not_transparent_is_the_same_on_every_background() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    opaque = Image.fromarray(noise)
    for content in (saved(opaque), saved(opaque.convert("RGBA")), saved(opaque, "TIFF")):
        for background in ("white", "black", None):
            with decoded(io.BytesIO(content), background=background) as image:
                assert np.array_equal(np.asarray(image), noise)


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
    st.sampled_from(
        [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0\x08\0\0\0\5\0"]
    ),
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
