"""What is transparent in a picture is laid on a colour, the same for training, prediction and evaluation.

Most programs leave black under what is transparent: without a background, black drawings are black pictures.
"""

from typing import Final, cast

from PIL import Image

WHITE: Final = "white"
BLACK: Final = "black"

_NAMED: Final = {WHITE: (255, 255, 255), BLACK: (0, 0, 0)}


def colour(background: str) -> tuple[int, int, int]:
    """The red, green and blue (0 to 255) of a background as specs have it: white, black or #rrggbb."""
    if background in _NAMED:
        return _NAMED[background]
    red, green, blue = bytes.fromhex(background.removeprefix("#"))
    return red, green, blue


def with_alpha(image: Image.Image) -> Image.Image:
    """The picture as 8-bit RGB, or as RGBA where something of it is transparent. The one given is closed."""
    if not image.has_transparency_data:
        return _converted(image, "RGB")
    image = _converted(image, "RGBA")
    _, _, _, (least, _) = cast(tuple[tuple[int, int], ...], image.getextrema())
    return _converted(image, "RGB") if least == 255 else image


def _converted(image: Image.Image, mode: str) -> Image.Image:
    """In that mode; a copy of a large picture is hundreds of megabytes, so that there is none for longer."""
    if image.mode == mode:
        return image
    converted = image.convert(mode)
    image.close()
    return converted


def laid_on(image: Image.Image, background: str | None) -> Image.Image:
    """An RGB or RGBA picture as RGB. With None, what is transparent keeps the colour that is under it."""
    if image.mode == "RGB":
        return image
    if background is None:
        return image.convert("RGB")
    flat = Image.new("RGB", image.size, colour(background))
    flat.paste(image, mask=image)
    return flat
