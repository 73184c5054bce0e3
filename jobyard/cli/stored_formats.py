"""In which format the server is to keep a scored file that is saved as another one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jobyard.client.table_suffixes import WORKBOOKS

JSON: Final = frozenset({".json", ".jsonl", ".ndjson"})
# How Parquet and other workbooks begin, and what is packed: zip, gzip, bzip2, xz and zstd.
NO_TEXT: Final = (b"PAR1", b"PK", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
HEAD_BYTES: Final = 4096
# The server converts what it sends, which takes minutes for larger sources.
MAX_BYTES: Final = 512 << 20


def stored_format(format_: str | None, sources: Sequence[Path | str]) -> str | None:
    """Parquet, whose rows the job's page searches and offers in each format, if the file that is saved is the
    same and soon converted: `format_` else, as of sources whose content or size isn't known here.

    Raises OSError for a file that can't be read.
    """
    if format_ in (None, "parquet", "xlsx"):
        return format_ and "parquet"
    files = [source for source in sources if isinstance(source, Path)]
    is_known = len(files) == len(sources) and sum(file.stat().st_size for file in files) <= MAX_BYTES
    same = is_known and all(_is_the_same(format_, file) for file in files)
    return "parquet" if same else format_


def _is_the_same(format_: str, source: Path) -> bool:
    suffix = source.suffix.lower()
    if suffix in WORKBOOKS:  # whose cells are texts in every format
        return True
    with source.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(NO_TEXT) or b"\0" in head:
        return False
    # Values of JSON have types, whatever the file is called.
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return format_ == "csv" or (suffix not in JSON and begin not in (b"{", b"["))
