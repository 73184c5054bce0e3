"""`make bench-pictures`: the memory that decoding takes, by format and mode, each in a process of its own.

`shared/pictures/budget.py` has the figures, a tenth higher; a test measures the same with smaller pictures.
"""

import io
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from jobyard.shared.pictures import check_header, cost, decoded

WIDTH, HEIGHT = 4_000, 2_500
# EXIF's orientation: to be turned by 90 degrees, which takes a copy.
ORIENTATION, TURNED = 0x0112, 6


class Measured(NamedTuple):
    """`bytes` of memory at the peak, beyond what the process had; what `cost` says; `seconds` it took."""

    bytes: int
    expected: float
    seconds: float


def _saved(format: str, mode: str = "RGB", **options: Any) -> Callable[[Image.Image], bytes]:  # noqa: A002
    def save(picture: Image.Image) -> bytes:
        file = io.BytesIO()
        if options.pop("frames", 0):
            options.update(save_all=True, append_images=[picture.rotate(180).convert(mode)])
        picture.convert(mode).save(file, format, **options)
        return file.getvalue()

    return save


def _turned(format: str, mode: str = "RGB", **options: Any) -> Callable[[Image.Image], bytes]:  # noqa: A002
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    return _saved(format, mode, exif=exif, **options)


def _grey_16(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _grey_16_tiff(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(file, "TIFF", compression="tiff_lzw")
    return file.getvalue()


def _rle(picture: Image.Image) -> bytes:
    """A BMP of long runs, 8 bits a pixel."""
    runs = [min(255, picture.width - x) for x in range(0, picture.width, 255)]
    body = (b"".join(bytes([run, 7]) for run in runs) + b"\0\0") * picture.height + b"\0\1"
    offset = 14 + 40 + 1024
    head = struct.pack("<2sIHHI", b"BM", offset + len(body), 0, 0, offset)
    sizes = (40, picture.width, picture.height, 1, 8, 1, len(body), 0, 0, 256, 0)
    return head + struct.pack("<IiiHHIIiiII", *sizes) + bytes(1024) + body


CASES: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG": _saved("JPEG", quality=90, subsampling=0),
    "JPEG, turned by EXIF": _turned("JPEG", quality=90),
    "JPEG, grey": _saved("JPEG", "L"),
    "JPEG, CMYK": _saved("JPEG", "CMYK", quality=90),
    "JPEG, progressive": _saved("JPEG", quality=90, subsampling=0, progressive=True),
    "JPEG, progressive, CMYK": _saved("JPEG", "CMYK", quality=90, subsampling=0, progressive=True),
    "PNG, RGB": _saved("PNG", compress_level=1),
    "PNG, RGB, turned by EXIF": _turned("PNG", compress_level=1),
    "PNG, RGBA": _saved("PNG", "RGBA", compress_level=1),
    "PNG, grey": _saved("PNG", "L", compress_level=1),
    "PNG, grey with alpha": _saved("PNG", "LA", compress_level=1),
    "PNG, grey of 16 bits": _grey_16,
    "PNG, black and white": _saved("PNG", "1", compress_level=1),
    "PNG, palette": _saved("PNG", "P", compress_level=1),
    "PNG, palette with transparency": _saved("PNG", "P", compress_level=1, transparency=3),
    "PNG, animated": _saved("PNG", compress_level=1, frames=1),
    "GIF": _saved("GIF", "P"),
    "GIF, animated": _saved("GIF", "P", frames=1),
    "BMP, RGB": _saved("BMP"),
    "BMP, palette": _saved("BMP", "P"),
    "BMP, RLE": _rle,
    "AVIF": _saved("AVIF", speed=10),
    "AVIF, with alpha": _saved("AVIF", "RGBA", speed=10, quality=100, subsampling="4:4:4"),
    "AVIF, turned by EXIF": _turned("AVIF", speed=10),
    "TIFF, RGB": _saved("TIFF"),
    "TIFF, RGB, LZW, turned": _turned("TIFF", compression="tiff_lzw"),
    "TIFF, RGBA, deflate": _saved("TIFF", "RGBA", compression="tiff_adobe_deflate"),
    "TIFF, CMYK": _saved("TIFF", "CMYK", compression="tiff_lzw"),
    "TIFF, JPEG": _saved("TIFF", compression="jpeg"),
    "TIFF, fax": _saved("TIFF", "1", compression="group4"),
    "TIFF, grey of 16 bits": _grey_16_tiff,
    "WebP": _saved("WEBP", method=0),
    "WebP, lossless, with alpha": _saved("WEBP", "RGBA", lossless=True, quality=0, method=0),
    "WebP, turned by EXIF": _turned("WEBP", method=0),
    "WebP, animated": _saved("WEBP", method=0, frames=1),
}


def draw(width: int, height: int) -> Image.Image:
    """Soft colours, which compress as a photograph does."""
    noise = np.random.default_rng(1).integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def measure(content: bytes) -> Measured:
    """Decode a picture in a process of its own."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        command = [sys.executable, "-m", "benchmarks.pictures", file.name]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    with io.BytesIO(content) as picture:
        expected = cost(check_header(picture), len(content))
    return Measured(int(told[0]), expected, float(told[1]))


def decode_alone(path: Path) -> tuple[int, float]:
    """Bytes at the peak beyond what the process had, and seconds. Resets its VmHWM (man 5 proc)."""
    small = _saved("PNG")(Image.new("RGB", (8, 8)))
    with decoded(io.BytesIO(small)):  # Pillow loads what it needs of itself
        pass
    Path("/proc/self/clear_refs").write_text("5")
    before, began = _peak(), time.perf_counter()
    with path.open("rb") as file, decoded(file):
        seconds = time.perf_counter() - began
    return _peak() - before, seconds


def _peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    if found is None:
        raise OSError("the kernel tells no VmHWM")
    return int(found[1]) * 1024


def bench() -> Iterator[str]:
    """The lines of the table."""
    picture = draw(WIDTH, HEIGHT)
    yield f"| {WIDTH}×{HEIGHT} pixels | file, MB | bytes a pixel at the peak | budgeted | seconds |"
    yield "| --- | --- | --- | --- | --- |"
    for name, save in CASES.items():
        content = save(picture)
        found = measure(content)
        each, expected = (size / (WIDTH * HEIGHT) for size in (found.bytes, found.expected))
        yield f"| {name} | {len(content) / 1e6:.1f} | {each:.1f} | {expected:.1f} | {found.seconds:.2f} |"


def main() -> int:
    """Print the table; with a path, decode that picture and print what it took."""
    if len(sys.argv) > 1:
        print(*decode_alone(Path(sys.argv[1])))
        return 0
    print(f"{os.cpu_count()} cores")
    for line in bench():
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
