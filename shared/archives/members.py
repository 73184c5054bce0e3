"""What an archive or a folder of pictures holds, one member at a time."""

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO

# What zipfile, tarfile and the decompressors raise on a broken archive, and the disk on a broken file.
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    ArithmeticError,
    LookupError,
    lzma.LZMAError,
    RuntimeError,  # and NotImplementedError, RecursionError
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)

# What systems leave in folders and archives, besides names that begin with a dot.
LITTER = {
    *("__macosx", "icon\r"),  # macOS
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),  # Windows
    *("@eadir", "#recycle", "lost+found", "__pycache__"),
}


@dataclass(frozen=True, slots=True)
class Member:
    """A file or folder in an archive or a folder.

    `parts` are the names on its path, none of them empty, "." or "..". `size` is what the archive says.
    `open` works until the next member is asked for, and raises one of DAMAGED if it can't; so does
    reading. `problem` says why a file should not be opened at all; `link` that it is a link which could be
    one to a folder. `page` is the code page that the name was found to be in, `doubt` what it could be where
    that can't be known.
    """

    parts: tuple[str, ...]
    folder: bool
    size: int
    open: Callable[[], IO[bytes]]
    problem: str | None = None
    link: bool = False
    page: str = ""
    doubt: str = ""

    @property
    def name(self) -> str:
        """The path for people: safe to print and to store."""
        return printable("/".join(self.parts))


def is_meant(parts: Iterable[str]) -> bool:
    """Whether a file with these names on its path is there on purpose."""
    return not any(part.startswith(".") or part.casefold() in LITTER for part in parts)


def printable(name: str, length: int = 200) -> str:
    """`name` without control characters and broken Unicode, cut in the middle to `length` characters."""
    shown = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name
    )
    return shown if len(shown) <= length else f"{shown[: length // 2]}…{shown[-length // 2 + 1 :]}"


def reason(error: BaseException) -> str:
    """One line for people about one of DAMAGED."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, EOFError):
        return "it ends too early"
    return printable(str(error)) or type(error).__name__
