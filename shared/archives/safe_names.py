"""Names of files and classes that are harmless on every system."""

import unicodedata
from pathlib import PurePosixPath

# Of a safe name: with the split and the class well below what every file system takes.
MAX_NAME_BYTES = 150


def safe_name(name: str) -> str:
    """`name` as one harmless path component on every system: never empty, hidden, '.' or '..'."""
    plain = unicodedata.normalize("NFC", name)
    plain = "".join(
        "_" if character in '<>:"/\\|?*' or not character.isprintable() else character for character in plain
    )
    stem, suffix = PurePosixPath(plain).stem, PurePosixPath(plain).suffix
    if len(plain.encode()) > MAX_NAME_BYTES:
        suffix = suffix if len(suffix.encode()) <= 20 else ""
        room = MAX_NAME_BYTES - len(suffix.encode())
        plain = stem.encode()[:room].decode(errors="ignore") + suffix
    return plain.strip(". ") or "_"


def unique(name: str, taken: dict[str, int]) -> str:
    """`name`, or `stem-2.suffix` and so on where it is taken; case is no difference on some systems.

    `taken` has each name, and how many files wanted it.
    """
    path = PurePosixPath(name)
    unique = name
    while unique.casefold() in taken:
        taken[name.casefold()] += 1
        unique = f"{path.stem}-{taken[name.casefold()]}{path.suffix}"
    taken[unique.casefold()] = 1
    return unique
