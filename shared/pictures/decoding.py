"""Reading pictures from outside: hostile until fully decoded."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from PIL import Image, ImageOps, UnidentifiedImageError

from jobyard.shared.pictures.background import WHITE, laid_on, with_alpha
from jobyard.shared.pictures.budget import Budget, cost
from jobyard.shared.pictures.endings import essential
from jobyard.shared.pictures.formats import UNKNOWN, NotAPicture
from jobyard.shared.pictures.headers import Header, read_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_FILE_BYTES: Final = 128 << 20
TOO_LARGE: Final = f"too large: should have at most {MAX_FILE_BYTES:,} bytes"
# One that is wider or higher costs more to resize than to decode, however few its pixels are.
MAX_SIDE: Final = 65_535
# Pillow decodes it in Python, at 10 million pixels a second.
MAX_RLE_PIXELS: Final = 16_000_000
# By so many pixels tiles may reach over a picture.
MAX_TILE_PIXELS: Final = 1 << 22
# How often a JPEG may pass over its pixels: progressive ones have some ten scans.
MAX_SCANS: Final = 100

# Ours is checked before Pillow sees the file.
Image.MAX_IMAGE_PIXELS = None


@dataclass
class Limits:
    """Of this process; set at its start from the settings."""

    pixels: int = 89_478_485


LIMITS = Limits()
# Of all pictures that a process decodes at the same time.
IN_FLIGHT = Budget(1 << 30)


def check_header(file: IO[bytes]) -> Header:
    """Look at a picture's header only. Raises NotAPicture; a picture that passes may still be truncated."""
    header = read_header(file)
    if not header.pixels:
        raise NotAPicture(UNKNOWN)
    size = f"{header.width}×{header.height} pixels"
    if header.pixels > LIMITS.pixels:
        raise NotAPicture(f"too large: {size}, should have at most {LIMITS.pixels:,}")
    if header.format == "TIFF" and header.decoded > LIMITS.pixels + MAX_TILE_PIXELS:
        raise NotAPicture(
            f"too large: tiles of {header.decoded:,} pixels, should have at most {LIMITS.pixels:,} in all"
        )
    if max(header.width, header.height) > MAX_SIDE:
        raise NotAPicture(f"too large: {size}, should be at most {MAX_SIDE:,} wide and high")
    if header.variant == "BMP with RLE" and header.pixels > MAX_RLE_PIXELS:
        raise NotAPicture(f"too large: {size}, should have at most {MAX_RLE_PIXELS:,} in a BMP with RLE")
    return header


@contextmanager
def decoded(
    file: IO[bytes],
    *,
    budget: Budget = IN_FLIGHT,
    least: int | None = None,
    resized: int = 0,
    background: str | None = WHITE,
) -> Iterator[Image.Image]:
    """The first frame, decoded fully, upright, as 8-bit RGB. Raises NotAPicture with the reason.

    The budget is held until the context is left, which closes the picture; decode no other one within.
    Raises Busy if the budget does. `least`: a JPEG may be decoded smaller, but no side under so many
    pixels. `resized` is the side that `to_array` will be asked for. What is transparent is laid on the
    `background`; with None it keeps the colour that the file has under it.
    """
    with decoded_with_alpha(file, budget=budget, least=least, resized=resized) as image:
        flat = laid_on(image, background)
        try:
            yield flat
        finally:
            flat.close()


@contextmanager
def decoded_with_alpha(
    file: IO[bytes], *, budget: Budget = IN_FLIGHT, least: int | None = None, resized: int = 0
) -> Iterator[Image.Image]:
    """As `decoded`, but RGBA where something is transparent."""
    size = file.seek(0, 2)
    if size == 0:
        raise NotAPicture("the file is empty")
    if size > MAX_FILE_BYTES:  # before the header, which may reach over all of it
        raise NotAPicture(TOO_LARGE)
    header = check_header(file)
    scale = 1 if least is None or header.format != "JPEG" else _scale(header, least)
    with budget.hold(cost(header, size, scale=scale, resized=resized)):
        file.seek(0)
        image = _decode(_checked(file.read(size), header), header, scale)
        try:
            yield image
        finally:
            image.close()  # before the budget is given back


def prepared(file: IO[bytes], size: int, background: str | None = WHITE) -> "NDArray[np.uint8]":
    """A picture as training and prediction see it: see `decoded` and `to_array`. Raises NotAPicture."""
    with decoded(file, resized=size, background=background) as image:
        return to_array(image, size)


def to_array(image: Image.Image, size: int) -> "NDArray[np.uint8]":
    """Resize (bilinear, antialiased) to (size, size, 3), uint8. Training and prediction both use this."""
    import numpy as np

    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), dtype=np.uint8)


def _scale(header: Header, least: int) -> int:
    """How many times smaller a JPEG can be decoded."""
    most = min(header.width, header.height) // max(least, 1)
    return next(scale for scale in (8, 4, 2, 1) if scale <= max(most, 1))


def _checked(content: bytes, header: Header) -> bytes:
    """What Pillow is given. Raises NotAPicture for a JPEG of too many scans: each costs as one picture."""
    if header.format == "PNG":
        return essential(content)
    if header.variant == "JPEG in scans" and content.count(b"\xff\xda") > MAX_SCANS:
        raise NotAPicture(f"can't be decoded: the JPEG should have at most {MAX_SCANS} scans")
    return content


def _decode(content: bytes, header: Header, scale: int) -> Image.Image:
    # Pillow warns about what it can repair (odd EXIF, palettes, MPO): not worth a line in any log. The
    # filters are the process's; threads that cross here can at worst lose a warning.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _open(content, header)
        try:
            if scale > 1:
                image.draft("RGB", (image.width // scale, image.height // scale))
            image.load()
            # In place, and below only where needed: each copy of a large picture is hundreds of megabytes.
            _turn_upright(image)
            if image.mode.startswith("I"):  # 16 bits a pixel: Pillow's own conversion would clip, not scale
                image = image.convert("I").point(lambda value: value / 256).convert("L")
            return with_alpha(image)
        except Exception as error:  # noqa: BLE001 (Pillow's decoders raise a dozen types, SyntaxError too)
            raise NotAPicture(f"can't be decoded: {_reason(error)}") from None


def _open(content: bytes, header: Header) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content), formats=[header.format])
    except Exception as error:  # noqa: BLE001 (see _decode)
        if isinstance(error, UnidentifiedImageError):
            raise NotAPicture(UNKNOWN) from None
        raise NotAPicture(f"can't be read: {_reason(error)}") from None
    if image.width * image.height > header.pixels:  # nothing was reckoned with so many
        raise NotAPicture("can't be read: it has more than one size")
    return image


def _turn_upright(image: Image.Image) -> None:
    """Follow the EXIF orientation. EXIF that can't be read is as good as none: the pixels are whole."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001, S110 (EXIF's parser raises as many types as the decoders)
        pass


def _reason(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
