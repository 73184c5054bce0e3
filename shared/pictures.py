"""Reading pictures from outside: hostile until fully decoded."""

from typing import IO, TYPE_CHECKING

from PIL import Image, ImageOps

from shared.errors import JobyardError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")

# A phone's largest photograph has 200 million pixels; decoded as RGB that is 600 MB.
MAX_PIXELS = 200_000_000

# Ours is checked before decoding, with a message of its own.
Image.MAX_IMAGE_PIXELS = None


class NotAPicture(JobyardError):
    """The file is not a picture that can be read."""


def check_header(file: IO[bytes]) -> None:
    """Look at a picture's header only. Raises NotAPicture; a picture that passes may still be truncated."""
    _open(file)


def decode(file: IO[bytes]) -> Image.Image:
    """Decode the first frame fully, upright, as 8-bit RGB. Raises NotAPicture with the reason."""
    image = _open(file)
    try:
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits a pixel: Pillow's own conversion would clip, not scale
            image = image.convert("I").point(lambda value: value / 256).convert("L")
        return image.convert("RGB")
    except Exception as error:  # Pillow's decoders raise a dozen types on broken files, SyntaxError too
        raise NotAPicture(f"can't be decoded: {_reason(error)}") from None


def to_array(image: Image.Image, size: int) -> "NDArray[np.uint8]":
    """Resize (bilinear, antialiased) to (size, size, 3), uint8. Training and prediction both use this."""
    import numpy as np

    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), dtype=np.uint8)


def _open(file: IO[bytes]) -> Image.Image:
    try:
        image = Image.open(file, formats=FORMATS)
    except Exception as error:  # see decode
        if isinstance(error, Image.UnidentifiedImageError):
            raise NotAPicture("not a picture: should be JPEG, PNG, GIF, BMP or WebP") from None
        raise NotAPicture(f"can't be read: {_reason(error)}") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise NotAPicture(f"too large: {width}×{height} pixels, should have at most {MAX_PIXELS:,}")
    return image


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
