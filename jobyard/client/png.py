"""Pictures in memory as files that lose nothing: of PIL, arrays of NumPy, and what turns into one."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

from jobyard.client.errors import BadRequest
from jobyard.client.libraries import has_columns, is_of, needed, translated

# Files that a server reads; what PNG holds as it is, and what other modes become.
FORMATS = frozenset({"JPEG", "MPO", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF"})
MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
CONVERTED = {
    **dict.fromkeys(("CMYK", "YCbCr", "LAB", "HSV", "RGBX"), "RGB"),
    **dict.fromkeys(("PA", "RGBa"), "RGBA"),
    "La": "LA",
    **dict.fromkeys(("I;16B", "I;16L", "I;16N"), "I;16"),
}
CHANNELS = (1, 3, 4)
RIGHT_SHAPES = "height × width, or height × width × 1, 3 or 4"
RIGHT_VALUES = "should be uint8, or numbers from 0 to 255, or floats from 0 to 1"


def is_pil(value: object) -> bool:
    return is_of(value, "PIL.Image", "Image")


def of_pil(image: Any, argument: str) -> bytes:
    """The bytes of a picture: those of its file where nothing was read of it yet, else a PNG of its pixels.

    Raises BadRequest for a mode whose values have no range, as F.
    """
    if (unread := _unread(image)) is not None:
        return unread
    exif = image.info.get("exif")
    if image.mode not in MODES and image.mode not in CONVERTED:
        raise BadRequest(
            f'{argument}: is a picture of mode {image.mode}; should be of 8 bits, as image.convert("RGB") is'
        )
    target = io.BytesIO()
    with translated(f"{argument}: the picture can't be read"):
        image = image.convert(CONVERTED.get(image.mode, image.mode))
        image.save(target, "PNG", compress_level=1, **({} if exif is None else {"exif": exif}))
    return target.getvalue()


def _unread(image: Any) -> bytes | None:
    """The file's own bytes: once pixels were read, they may have been changed in place."""
    if not is_of(image, "PIL.ImageFile", "ImageFile") or getattr(image, "_im", image) is not None:
        return None
    if image.format not in FORMATS or image.tell():  # a picture behind the first one
        return None
    try:
        place = image.fp.tell()
        image.fp.seek(0)
        content = image.fp.read()
        image.fp.seek(place)
    except (AttributeError, OSError, ValueError):  # closed
        return None
    return bytes(content)


def is_array(value: object) -> bool:
    """Whether it is an array of numbers, or turns into one; a series or a list does not."""
    if is_of(value, "numpy", "ndarray"):
        array: Any = value
        return array.ndim > 1 or array.dtype.kind in "biufc"
    if is_of(value, "pandas", "Series", "Index") or is_of(value, "polars", "Series"):
        return False
    if is_of(value, "pyarrow", "Array", "ChunkedArray"):
        return False
    if is_pil(value) or has_columns(value) or not hasattr(value, "__array__"):
        return False
    shape = getattr(value, "shape", ())
    return isinstance(shape, Sequence) and len(shape) > 1


def of_array(value: Any, argument: str) -> Iterator[bytes]:
    """PNGs of the picture in an array, or of each in a batch (pictures × height × width × channels).

    Raises BadRequest for other shapes, and for values of which it isn't clear how bright they are.
    """
    numpy = needed("numpy", argument)
    image = needed("PIL.Image", argument)
    with translated(f"{argument}: the {type(value).__name__} is no array"):  # a tensor elsewhere, say
        array = numpy.asarray(value)
    _check_shape(array, argument)
    scale = _scale(numpy, array, argument)
    for one in array if array.ndim == 4 else [array]:
        pixels = one[..., 0] if one.ndim == 3 and one.shape[-1] == 1 else one
        if pixels.dtype != numpy.uint8:
            pixels = numpy.rint(pixels.astype(numpy.float64) * scale).astype(numpy.uint8)
        target = io.BytesIO()
        image.fromarray(numpy.ascontiguousarray(pixels)).save(target, "PNG", compress_level=1)
        yield target.getvalue()


def _check_shape(array: Any, argument: str) -> None:
    shape = " × ".join(map(str, array.shape)) or "a single number"
    if 0 in array.shape:
        raise BadRequest(f"{argument}: is an array of {shape}, which has no pixels; should be {RIGHT_SHAPES}")
    if array.ndim == 2 or (array.ndim in (3, 4) and array.shape[-1] in CHANNELS):
        return
    hint = ""
    if array.ndim in (3, 4) and array.shape[-3] in (1, 3):
        hint = "; numpy.moveaxis(array, -3, -1) puts the channels last"
    elif array.ndim == 3:
        hint = "; a batch of gray pictures is array[..., None]"
    raise BadRequest(
        f"{argument}: is an array of {shape}; should be a picture ({RIGHT_SHAPES}), or a batch "
        f"(pictures × height × width × 1, 3 or 4){hint}"
    )


def _scale(numpy: Any, array: Any, argument: str) -> float:
    """What makes its values those of 0 to 255."""
    if array.dtype == numpy.uint8:
        return 1.0
    if array.dtype.kind not in "iuf":
        raise BadRequest(f"{argument}: is an array of {array.dtype}; {RIGHT_VALUES}{_of_booleans(array)}")
    if array.dtype.kind == "f" and not numpy.isfinite(array).all():
        raise BadRequest(f"{argument}: has values that are not finite; {RIGHT_VALUES}")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 255:
        raise BadRequest(f"{argument}: has values from {low:g} to {high:g}; {RIGHT_VALUES}")
    if array.dtype.kind != "f" or high == 0 or high >= 2:
        return 1.0
    if high <= 1 and ((array > 0) & (array < 1)).any():
        return 255.0
    raise BadRequest(
        f"{argument}: has floats from {low:g} to {high:g}, which may be of a scale to 1 or to 255; should be "
        "uint8, as (array * 255).round().astype(numpy.uint8) or array.astype(numpy.uint8) is"
    )


def _of_booleans(array: Any) -> str:
    return ", as array * numpy.uint8(255) is" if array.dtype.kind == "b" else ""
