"""Reading pictures from outside: hostile until fully decoded."""

import warnings
from typing import IO, TYPE_CHECKING

from PIL import Image, ImageOps, UnidentifiedImageError

from jobyard.shared.errors import JobyardError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
}
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "WEBP": (".webp",),
}

# A phone's largest photograph has 200 million pixels; decoded as RGB that is 600 MB.
MAX_PIXELS = 200_000_000

# Ours is checked before decoding, with a message of its own.
Image.MAX_IMAGE_PIXELS = None

UNKNOWN = "not a picture: should be JPEG, PNG, GIF, BMP or WebP"


class NotAPicture(JobyardError):
    """The file is not a picture that can be read."""


def check_signature(start: bytes) -> str:
    """The format of FORMATS that a file's first bytes (12 or more) are of. Raises NotAPicture if of none."""
    for signature, name in SIGNATURES.items():
        if start.startswith(signature):
            return name
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WEBP"
    raise NotAPicture(UNKNOWN)


def check_header(file: IO[bytes]) -> None:
    """Look at a picture's header only. Raises NotAPicture; a picture that passes may still be truncated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _open(file)


def decode(file: IO[bytes]) -> Image.Image:
    """Decode the first frame fully, upright, as 8-bit RGB. Raises NotAPicture with the reason.

    What is transparent keeps the colour that the file has under it.
    """
    # Pillow warns about what it can repair (odd EXIF, palettes, MPO): not worth a line in any log. The
    # filters are the process's; threads that cross here can at worst lose a warning.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _open(file)
        try:
            image.load()
            # In place, and below only where needed: each copy of a large picture is 600 MB.
            _turn_upright(image)
            if image.mode.startswith("I"):  # 16 bits a pixel: Pillow's own conversion would clip, not scale
                image = image.convert("I").point(lambda value: value / 256).convert("L")
            return image if image.mode == "RGB" else image.convert("RGB")
        except Exception as error:  # noqa: BLE001 (Pillow's decoders raise a dozen types, SyntaxError too)
            raise NotAPicture(f"can't be decoded: {_reason(error)}") from None


def to_array(image: Image.Image, size: int) -> "NDArray[np.uint8]":
    """Resize (bilinear, antialiased) to (size, size, 3), uint8. Training and prediction both use this."""
    import numpy as np

    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), dtype=np.uint8)


def _open(file: IO[bytes]) -> Image.Image:
    try:
        image = Image.open(file, formats=FORMATS)
    except Exception as error:  # noqa: BLE001 (see decode)
        if isinstance(error, UnidentifiedImageError):
            raise NotAPicture(UNKNOWN) from None
        raise NotAPicture(f"can't be read: {_reason(error)}") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise NotAPicture(f"too large: {width}×{height} pixels, should have at most {MAX_PIXELS:,}")
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
