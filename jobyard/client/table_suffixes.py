"""What the name of a file of texts ends in."""

from pathlib import PurePath
from typing import Final

WORKBOOKS: Final = frozenset({".ods", ".xls", ".xlsb", ".xlsm", ".xlsx"})
TABLES: Final = WORKBOOKS | {".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".tab", ".tsv", ".txt"}
PACKED: Final = frozenset(
    {".bz2", ".gz", ".tar", ".tbz", ".tbz2", ".tgz", ".txz", ".tzst", ".xz", ".zip", ".zst", ".zstd"}
)


def is_of_a_table(name: str) -> bool:
    """Whether a name ends as that of a table, which may be packed: may.csv, may.csv.gz."""
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in TABLES
