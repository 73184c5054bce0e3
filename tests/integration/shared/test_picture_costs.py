"""What decoding is reckoned to cost is never less than what it takes: measured.

Of each way of decoding the mode that takes most; `make bench-pictures` measures all.
"""

import pytest

from benchmarks.pictures import CASES, draw, measure

# So large that what any process needs beside is little, so small that all cases take some seconds.
PICTURE = draw(1_400, 1_000)


COSTLIEST = [
    "JPEG, turned by EXIF",
    "JPEG, CMYK",
    "JPEG, progressive, CMYK",
    "PNG, RGB, turned by EXIF",
    "PNG, grey of 16 bits",
    "GIF, animated",
    "BMP, palette",
    "BMP, RLE",
    "PNG, RGBA",
    "TIFF, RGBA, deflate",
    "TIFF, grey of 16 bits",
    "AVIF, with alpha",
    "WebP, lossless, with alpha",
    "WebP, animated",
]


@pytest.mark.parametrize("name", COSTLIEST)
def test_the_peak_of_memory_is_within_what_was_reckoned_with(name: str) -> None:
    found = measure(CASES[name](PICTURE))
    assert found.bytes <= found.expected
    assert found.expected < 3 * found.bytes
