"""What a file in an archive of pictures may be, as far as its name tells."""

import re
from typing import Final

from jobyard.shared.pictures import SUFFIXES

PICTURE_SUFFIXES: Final = frozenset(suffix for known in SUFFIXES.values() for suffix in known)

_DOCUMENT = re.compile(
    r".*\.(txt|md|rst|csv|tsv|jsonl?|ndjson|xml|ya?ml|toml|ini|cfg|log|html?|css|js|url|webloc|pdf|docx?|odt|xlsx?"
    r"|ods|py|ipynb|m|sh|mat|pkl|pickle|np[yz]|h5|hdf5|parquet|db|sqlite|lst|names|data|license)"
    r"|readme|licen[sc]e|copying|authors|citation|changelog|makefile",
    re.IGNORECASE | re.DOTALL,
)
_ARCHIVE = re.compile(r".*\.(zip|tar|t[gbx]z|tbz2|gz|bz2|xz|zst|7z|rar)", re.IGNORECASE | re.DOTALL)


def has_picture_suffix(name: str) -> bool:
    """Whether a file is called as those that are decoded."""
    stem, dot, suffix = name.rpartition(".")
    return bool(stem) and (dot + suffix).lower() in PICTURE_SUFFIXES


def is_document(name: str) -> bool:
    """Whether the name says that it is no picture: a table, a text, a program."""
    return _DOCUMENT.fullmatch(name) is not None


def is_archive(name: str) -> bool:
    """Whether the name says that other files are in it."""
    return _ARCHIVE.fullmatch(name) is not None
