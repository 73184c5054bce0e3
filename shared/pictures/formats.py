"""The formats of pictures that are accepted, known by their first bytes; no other one is ever opened.

Others are called by their names: who has pictures from a telephone should hear that they are HEIC.
"""

from jobyard.shared.errors import JobyardError
from jobyard.shared.pictures.other_formats import AVIF, brands, other_format

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")
SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
}
# How many of a file's first bytes tell what it is.
SIGNATURE_BYTES = 512

UNKNOWN = "not a picture: should be JPEG, PNG, GIF, BMP, WebP, TIFF or AVIF"


class NotAPicture(JobyardError):
    """The file is not a picture that can be read."""


def check_signature(start: bytes) -> str:
    """The format of FORMATS that a file's first bytes are of (12 at least, and better SIGNATURE_BYTES).

    Raises NotAPicture if of none, with its name where that is known.
    """
    if (other := other_format(start)) is not None:
        what, remedy = other
        raise NotAPicture(f"is {what}: {remedy}")
    for signature, name in SIGNATURES.items():
        if start.startswith(signature):
            return name
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WEBP"
    if AVIF & brands(start):
        return "AVIF"
    raise NotAPicture(UNKNOWN)
