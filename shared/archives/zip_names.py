"""The names in a zip: bytes that may be in UTF-8, flagged as such or not, or in a code page.

APPNOTE, 4.4.4 (bit 11), 4.6.9 (the extra field 0x7075) and appendix D.
"""

import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from jobyard.shared.archives.code_pages import DOS, UNIX, find_page

UTF_8: Final = 0x800
UNICODE_PATH: Final = 0x7075
MADE_BY_UNIX: Final = 3


class Name(NamedTuple):
    """A name as text. What is no Unicode has surrogates, as names on disk have in Python.

    `page` is the code page that a name without an encoding was found to be in; `doubt` says what it could be.
    """

    text: str
    page: str = ""
    doubt: str = ""


def names_of(infos: Sequence[zipfile.ZipInfo]) -> list[Name]:
    """The names of the members, in their order.

    Those that are not flagged are UTF-8, as macOS writes them, if all of them can be; else they are in one
    code page, if they make sense in one only.
    """
    known = [_stated(info) for info in infos]
    raw = {_raw(info) for info, name in zip(infos, known, strict=True) if name is None}
    if all(map(_is_utf_8, raw)):
        return [
            Name(_raw(info).decode() if name is None else name)
            for info, name in zip(infos, known, strict=True)
        ]
    by_unix = any(info.create_system == MADE_BY_UNIX for info in infos)
    page, doubt = find_page((name for name in raw if not name.isascii()), UNIX if by_unix else DOS)
    return [
        _in_page(_raw(info), page, doubt) if name is None else Name(name)
        for info, name in zip(infos, known, strict=True)
    ]


def _in_page(raw: bytes, page: str | None, doubt: str) -> Name:
    if raw.isascii():
        return Name(raw.decode("ascii"))
    try:
        if page is not None:
            return Name(raw.decode(page), page)
    except UnicodeError:  # it was none of the sample
        doubt = f"is not in the code page {page} of the others"
    return Name(raw.decode("utf-8", "surrogateescape"), doubt=doubt)


def _raw(info: zipfile.ZipInfo) -> bytes:
    """The bytes that zipfile took for cp437, which has a character for each."""
    return info.orig_filename.encode("cp437").partition(b"\0")[0]


def _stated(info: zipfile.ZipInfo) -> str | None:
    """The name where the zip says how it is to be read."""
    if info.flag_bits & UTF_8:
        return info.orig_filename.partition("\0")[0]
    raw = _raw(info)
    # Also of one in ASCII: what its maker could not write there is a question mark.
    name = _unicode_path(info.extra, raw)
    return raw.decode("ascii") if name is None and raw.isascii() else name


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """What Info-ZIP's extra field says, if it is of this name."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        data = extra[at + 4 : at + 4 + size]
        if kind == UNICODE_PATH and len(data) > 5:
            version, crc = struct.unpack_from("<BL", data)
            if version == 1 and crc == zlib.crc32(raw) and _is_utf_8(data[5:]):
                return data[5:].decode()
        at += 4 + size
    return None


def _is_utf_8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeError:
        return False
    return True
