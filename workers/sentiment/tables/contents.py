"""What a file is, by its content more than by its name."""

from pathlib import PurePosixPath
from typing import IO

from pydantic_core import from_json

from jobyard.shared.errors import WorkError
from jobyard.workers.sentiment.tables.delimited import Delimited
from jobyard.workers.sentiment.tables.encodings import BOM
from jobyard.workers.sentiment.tables.json_lines import JsonLines
from jobyard.workers.sentiment.tables.lines import Lines
from jobyard.workers.sentiment.tables.parquet import ParquetTable
from jobyard.workers.sentiment.tables.table import DEFAULT_COLUMN, Table

HEAD_BYTES = 64 << 10

PARQUET = b"PAR1"


def kind_of(head: bytes, name: str, *, column: bool) -> str:
    """The kind of table ("csv", "tsv", "jsonl", "lines", "parquet") whose first bytes these are.

    `name` decides where they don't, and where that doesn't either: CSV or TSV if a column was asked for
    or the first line names a column of texts, else lines. Raises WorkError for what can't be read.
    """
    if head.startswith(PARQUET):
        return "parquet"
    start = head.removeprefix(BOM).lstrip()
    if not start and len(head) < HEAD_BYTES:
        raise WorkError("the file is empty")
    suffix = suffix_of(name)
    if suffix == ".parquet":
        raise WorkError("the file is called .parquet but is not Parquet")
    if suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    if suffix == ".json" and not start.startswith(b"{"):
        raise WorkError("line 1: should be JSON lines, one object per line, and not one array")
    line = start.split(b"\n", 1)[0]
    if suffix == ".txt":
        return "lines"
    if _is_object(line, is_whole=len(line) < len(start)) or (
        suffix not in (".csv", ".tsv") and start.startswith(b"{")
    ):
        return "jsonl"
    return _by_first_line(line, suffix, column=column)


def _by_first_line(line: bytes, suffix: str, *, column: bool) -> str:
    tabs, commas = line.count(b"\t"), line.count(b",")
    if suffix == ".tsv":
        return "tsv" if tabs or not commas else "csv"
    kind = "tsv" if tabs and not commas else "csv"
    names = line.strip().replace(b'"', b"").split(b"\t" if kind == "tsv" else b",")
    is_header = len(names) > 1 and DEFAULT_COLUMN.encode() in names
    return kind if suffix == ".csv" or column or is_header else "lines"


def open_table(kind: str, columns: list[str], wanted: list[str] | None = None) -> Table:
    """A table of that kind, whose columns are known. `wanted`: see `JsonLines`."""
    match kind:
        case "parquet":
            return ParquetTable(columns)
        case "jsonl":
            return JsonLines(columns, wanted)
        case "lines":
            return Lines()
        case _:
            return Delimited(kind, columns)


def head_of(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read(HEAD_BYTES)


def suffix_of(name: str) -> str:
    """In lower case, with its point."""
    return PurePosixPath(name.lower()).suffix


def _is_object(line: bytes, *, is_whole: bool) -> bool:
    """Whether a line is a JSON object. False for one that is cut off."""
    try:
        return line.startswith(b"{") and is_whole and isinstance(from_json(line), dict)
    except ValueError:
        return False
