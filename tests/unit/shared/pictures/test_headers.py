"""A picture's header is read by us before Pillow sees the file, and says what Pillow says."""

import io
import struct
from contextlib import suppress

import pytest
from PIL import Image

from jobyard.shared.pictures import LIMITS, NotAPicture, check_header, decoded
from jobyard.shared.pictures.decoding import MAX_FILE_BYTES
from jobyard.shared.pictures.headers import MAX_JUNK, MAX_STEPS, read_header
from tests.pictures import saved

WEBP_OF_34_BYTES = bytes.fromhex("524946461a000000574542505650384c0d0000002fffffff0f0710fd8ffe07226202")


@pytest.mark.parametrize(
    ("format", "options", "variant"),
    [
        ("JPEG", {}, "JPEG"),
        ("JPEG", {"progressive": True}, "JPEG in scans"),
        ("PNG", {}, "PNG"),
        ("GIF", {}, "GIF"),
        ("BMP", {}, "BMP"),
        ("WEBP", {}, "WEBP"),
        ("WEBP", {"lossless": True}, "WEBP"),
        ("WEBP", {"exif": b"Exif\0\0"}, "WEBP"),
    ],
)
def test_size_and_variant_are_known_from_the_header(
    format: str,  # noqa: A002
    options: dict[str, object],
    variant: str,
) -> None:
    header = check_header(io.BytesIO(saved(Image.new("RGB", (300, 41)), format, **options)))
    assert header == (format, variant, 300, 41, 0)


def test_a_png_of_16_bits_is_decoded_in_another_way() -> None:
    assert check_header(io.BytesIO(saved(Image.new("I;16", (3, 2))))).variant == "PNG of 16 bits"


def test_a_webp_of_34_bytes_for_268_million_pixels_is_refused_by_its_header() -> None:
    with pytest.raises(NotAPicture, match="too large: 16384×16384 pixels, should have at most 89,478,485"):
        check_header(io.BytesIO(WEBP_OF_34_BYTES))


def test_the_limit_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(Image.new("RGB", (10, 10)))
    monkeypatch.setattr(LIMITS, "pixels", 100)
    check_header(io.BytesIO(content))
    monkeypatch.setattr(LIMITS, "pixels", 99)
    with pytest.raises(NotAPicture, match="10×10 pixels, should have at most 99"):
        check_header(io.BytesIO(content))


def test_a_picture_of_one_pixel_by_many_is_refused_since_resizing_it_takes_gigabytes() -> None:
    content = bytearray(saved(Image.new("L", (1, 1))))
    content[16:24] = struct.pack(">II", 1, 80_000_000)
    with pytest.raises(NotAPicture, match="should be at most 65,535 wide and high"):
        check_header(io.BytesIO(content))


def test_of_a_gif_whose_first_frame_is_larger_than_its_canvas_the_frame_counts() -> None:
    content = bytearray(saved(Image.new("P", (7, 5)), "GIF"))
    content[6:10] = struct.pack("<HH", 2, 2)
    assert check_header(io.BytesIO(content))[2:4] == (7, 5)
    with decoded(io.BytesIO(content)) as image:
        assert image.size == (7, 5)


def test_of_two_png_headers_the_first_counts() -> None:
    small, large = saved(Image.new("L", (1, 1))), saved(Image.new("L", (500, 500)))
    with decoded(io.BytesIO(small[:33] + large[8:33] + small[33:])) as image:
        assert image.size == (1, 1)


def test_of_two_jpeg_headers_no_larger_one_is_decoded() -> None:
    small, large = saved(Image.new("L", (8, 8)), "JPEG"), saved(Image.new("L", (800, 800)), "JPEG")
    frame = large[large.index(b"\xff\xc0") :][: 2 + 11]
    at = small.index(b"\xff\xc0")
    for content in (small[:at] + frame + small[at:], small[: at + 13] + frame + small[at + 13 :]):
        with pytest.raises(NotAPicture), decoded(io.BytesIO(content)):
            pass


def test_a_jpeg_whose_scans_never_end_is_refused() -> None:
    content = saved(Image.new("RGB", (64, 64)), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    (length,) = struct.unpack_from(">H", content, last + 2)
    scan = content[last : last + 2 + length] + b"\0"
    with (
        pytest.raises(NotAPicture, match="at most 100 scans"),
        decoded(io.BytesIO(content[:-2] + 100 * scan + content[-2:])),
    ):
        pass


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_a_header_that_is_cut_off_anywhere_is_a_reason(format: str) -> None:  # noqa: A002
    content = saved(Image.new("RGB", (9, 9)), format)
    for end in range(12):
        with pytest.raises(NotAPicture):
            check_header(io.BytesIO(content[:end]))
    for end in range(12, len(content)):
        with suppress(NotAPicture):
            check_header(io.BytesIO(content[:end]))


class CountedReads(io.BytesIO):
    """Counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


@pytest.mark.parametrize(
    ("content", "steps"),
    [
        pytest.param(b"\xff\xd8\xff" + b"\xff" * (8 << 20), MAX_JUNK, id="a JPEG of fill bytes"),
        pytest.param(b"\xff\xd8\xff" + b"\0\xff\xe0\0\2" * (2 << 20), MAX_JUNK, id="a JPEG of gaps"),
        pytest.param(
            b"GIF89a" + bytes(7) + b"!\xfe" + b"\1x" * (1 << 20),
            MAX_STEPS * 2,
            id="a GIF of one comment",
        ),
    ],
)
def test_a_header_without_an_end_is_read_so_far_only(content: bytes, steps: int) -> None:
    file = CountedReads(content)
    with pytest.raises(NotAPicture):
        read_header(file)
    assert file.reads <= steps + 16


def test_a_file_that_is_too_large_is_not_even_read() -> None:
    file = CountedReads()
    file.seek(MAX_FILE_BYTES)
    file.write(b"x")
    with pytest.raises(NotAPicture, match="too large"), decoded(file):
        pass
    assert file.reads == 0
