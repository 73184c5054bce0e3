"""In which format the server is to keep a scored file that is saved as another one."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit

# Whose cells are texts in every format. What is typed, and values of JSON, would be written otherwise.
OF_TEXTS: Final = frozenset({".csv", ".tab", ".tsv", ".txt", ".ods", ".xls", ".xlsb", ".xlsm", ".xlsx"})
TYPED: Final = frozenset({".parquet", ".parq", ".pq"})
PACKED: Final = frozenset({".bz2", ".gz", ".xz", ".zst", ".zstd"})
# The server converts what it sends, which takes minutes for larger sources.
MAX_BYTES: Final = 512 << 20


def stored_format(format_: str | None, sources: Sequence[Path | str]) -> str | None:
    """Parquet, whose rows the job's page searches and offers in each format, if the file that is saved is the
    same to the byte: `format_` else.
    """
    if format_ in (None, "parquet", "xlsx"):
        return format_ and "parquet"
    suffixes = [_suffixes(source) for source in sources]
    if sum(source.stat().st_size for source in sources if isinstance(source, Path)) > MAX_BYTES:
        return format_
    if format_ == "csv":
        same = not any(TYPED.intersection(each) for each in suffixes)
    else:
        same = all(each and each[-1] in OF_TEXTS for each in suffixes)
    return "parquet" if same else format_


def _suffixes(source: Path | str) -> list[str]:
    """Without those of a compression."""
    path = source if isinstance(source, Path) else PurePosixPath(urlsplit(source).path)
    return [suffix for suffix in map(str.lower, path.suffixes) if suffix not in PACKED]
