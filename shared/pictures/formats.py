"""The formats of pictures that are accepted, known by their first bytes; no other one is ever opened."""

from jobyard.shared.errors import JobyardError

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
