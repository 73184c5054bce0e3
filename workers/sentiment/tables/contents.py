"""What a file is, by its content more than by its name."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import IO, NamedTuple

from pydantic_core import from_json

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.reading import NO_DELIMITER
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.sentiment.tables import drawings
from jobyard.workers.sentiment.tables.delimited import Delimited
from jobyard.workers.sentiment.tables.dialects import NULL, Dialect, separated
from jobyard.workers.sentiment.tables.encodings import text_begin
from jobyard.workers.sentiment.tables.json_lines import JsonLines
from jobyard.workers.sentiment.tables.lines import Lines
from jobyard.workers.sentiment.tables.packing import without_suffix
from jobyard.workers.sentiment.tables.parquet import ParquetTable
from jobyard.workers.sentiment.tables.sniffing import Asked, sniff
from jobyard.workers.sentiment.tables.table import DEFAULT_COLUMN, SHOWN, Table

HEAD_BYTES = 64 << 10

PARQUET = b"PAR1"
WORKBOOKS = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
MARKUP = (".xml", ".html", ".htm", ".xhtml", ".svg", ".rss")
# What files are called whose lines are texts.
PROSE = (
    "",
    ".txt",
    ".text",
    ".log",
    ".md",
    ".lst",
    ".list",
    ".asc",
    ".dat",
    ".data",
    ".out",
    ".lines",
    ".en",
)
# How a dict is written that Python has printed, or an array of them.
PYTHON = re.compile(rb"(?:\[\s*)?\{\s*'[^'\n]{1,200}'\s*:")
# Of JSON, a value a line.
LINE_SUFFIXES = (".jsonl", ".ndjson")


class Found(NamedTuple):
    """A file's kind ("csv", "tsv", "jsonl", "lines", "parquet"), and of delimited text its dialect."""

    kind: str
    dialect: Dialect | None = None
    warnings: Sequence[str] = ()


def find(head: bytes, name: str, spec: SentimentSpec, longer: Callable[[], bytes] | None = None) -> Found:
    """What the file is whose first bytes these are; `longer` as for `sniff`.

    What is asked for decides, then the bytes, then `name`. Raises WorkError for what can't be read, and
    where it may be two things.
    """
    if head.startswith(PARQUET):
        return Found("parquet")
    start = head[text_begin(head) :].lstrip()
    if not start and len(head) < HEAD_BYTES:
        raise WorkError("the file is empty")
    suffix = suffix_of(name)
    if suffix == ".parquet":
        raise WorkError("the file is called .parquet but is not Parquet")
    if spec.delimiter == NO_DELIMITER:
        return Found("lines")
    if spec.delimiter is None and (found := _json(head, start, suffix, spec)) is not None:
        return found
    return _delimited_or_lines(head, suffix, spec, longer)


def _json(head: bytes, start: bytes, suffix: str, spec: SentimentSpec) -> Found | None:
    """JSON lines, or what is called so; None for anything else. Raises WorkError where it may be both."""
    if suffix in (".json", *LINE_SUFFIXES) and not start.startswith((b"{", b"[", b'"')):
        return _called_json(head, suffix, spec)
    if suffix in LINE_SUFFIXES:
        return Found("jsonl")
    if suffix != ".json" and PYTHON.match(start):
        raise WorkError(
            "line 1: has single quotes around keys, as Python writes a dict; should be JSON, "
            f'as json.dumps() writes it, or `delimiter` "{NO_DELIMITER}" to score whole lines',
            field="delimiter",
        )
    line = start.split(b"\n", 1)[0]
    is_json = suffix not in (".csv", ".tsv", ".txt") and start.startswith(b"{")
    if not is_json and not _is_object(line, is_whole=len(line) < len(start)):
        return None
    if suffix == ".txt" and spec.column is None:
        raise WorkError(
            "the file is called .txt and has JSON lines; `column` should be the key of the texts, "
            f'or `delimiter` "{NO_DELIMITER}" to score whole lines',
            field="column",
        )
    return Found("jsonl")


def _called_json(head: bytes, suffix: str, spec: SentimentSpec) -> Found:
    """What a file is that is called so, and begins as no JSON does: a table, if it has the column."""
    begin = text_begin(head)
    with suppress(WorkError):
        sniffed = sniff(head, begin, _asked(suffix, spec), is_whole=len(head) < HEAD_BYTES)
        if sniffed.is_table and sniffed.has_names and b"\n{" not in head:
            told = f"the file is called {suffix} and has a table {separated(sniffed.dialect.delimiter)}"
            return Found(sniffed.dialect.kind, sniffed.dialect, [*sniffed.warnings, told])
    if suffix in LINE_SUFFIXES:
        return Found("jsonl")
    shown = head[begin:].lstrip()[:50].split(b"\n")[0].decode(errors="replace")
    raise WorkError(
        f"the file is called {suffix} but is no JSON, which begins with {{ or [: it begins {shown!r}"
    )


def _delimited_or_lines(
    head: bytes, suffix: str, spec: SentimentSpec, longer: Callable[[], bytes] | None
) -> Found:
    is_table = spec.delimiter is not None or suffix in (".csv", ".tsv")
    try:
        sniffed = sniff(
            head,
            text_begin(head),
            _asked(suffix, spec),
            is_whole=len(head) < HEAD_BYTES,
            longer=longer,
        )
    except WorkError:
        if is_table or spec.column is not None:
            raise
        return _lines(suffix)
    if spec.delimiter is None and not sniffed.is_wide:
        aligned = drawings.padded_columns(head, is_whole=len(head) < HEAD_BYTES)
        if aligned and spec.column != sniffed.names[0]:
            shown = ", ".join(repr(name[:100]) for name in aligned[:SHOWN])
            raise WorkError(
                f"the file seems to have {len(aligned):,} columns that are aligned with spaces: {shown}; "
                f'should be CSV, or `delimiter` be "{NO_DELIMITER}" to score whole lines',
                field="delimiter",
            )
    found = Found(sniffed.dialect.kind, sniffed.dialect, sniffed.warnings)
    if is_table:
        return found
    if spec.column is not None or spec.group_by is not None:
        is_of_lines = spec.column == DEFAULT_COLUMN or not sniffed.is_table
        return _lines(suffix) if suffix == ".txt" and is_of_lines and not sniffed.has_names else found
    if sniffed.has_names and sniffed.is_wide and suffix != ".txt":
        return found
    columns = f"{len(sniffed.names):,} columns {separated(sniffed.dialect.delimiter)}"
    if sniffed.is_clear or (sniffed.has_names and sniffed.is_wide):
        shown = ", ".join(repr(name[:100]) for name in sniffed.names[:SHOWN])
        raise WorkError(
            f"the file has {columns}: {shown}; `column` should say which one has the texts, or `delimiter` "
            f'be "{NO_DELIMITER}" to score whole lines',
            field="column",
        )
    if sniffed.is_table:
        return Found(
            "lines",
            None,
            [f"whole lines are scored, though the file seems to have {columns}; `column` scores one of them"],
        )
    return _lines(suffix)


def _lines(suffix: str) -> Found:
    """Whole lines, which nobody asked for. Raises WorkError where something else is meant for sure."""
    if suffix in WORKBOOKS:
        raise WorkError(f"the file is called {suffix} but is neither a workbook nor a table")
    if suffix in MARKUP:
        raise WorkError(
            f'the file is called {suffix} and is no table; `delimiter` "{NO_DELIMITER}" scores whole lines',
            field="delimiter",
        )
    if suffix in PROSE:
        return Found("lines")
    return Found("lines", None, [f"whole lines are scored, though the file is called {suffix}"])


def _asked(suffix: str, spec: SentimentSpec) -> Asked:
    names = [name for name in (spec.column, spec.group_by) if isinstance(name, str)]
    column = DEFAULT_COLUMN if spec.column is None else spec.column
    return Asked(
        delimiter=spec.delimiter,
        quote=spec.quote,
        header=spec.header,
        skip_lines=spec.skip_lines,
        nulls=[NULL] if spec.null_values is None else spec.null_values,
        names=names or ([DEFAULT_COLUMN] if spec.column is None else []),
        texts=column if isinstance(column, str) else None,
        expected="\t" if suffix == ".tsv" else ",",
    )


def table_in(head: bytes, name: str, spec: SentimentSpec) -> Found | None:
    """The table with columns that text seems to be, whatever else it may be."""
    if head[text_begin(head) :].lstrip().startswith(b"{") and spec.delimiter is None:
        return Found("jsonl")
    with suppress(WorkError):
        sniffed = sniff(
            head, text_begin(head), _asked(suffix_of(name), spec), is_whole=len(head) < HEAD_BYTES
        )
        if sniffed.is_wide:
            return Found(sniffed.dialect.kind, sniffed.dialect, sniffed.warnings)
    return None


def open_table(
    kind: str, columns: list[str], wanted: list[str] | None = None, dialect: Dialect | None = None
) -> Table:
    """A table of that kind, whose columns are known. `wanted`: see `JsonLines`."""
    match kind:
        case "parquet":
            return ParquetTable(columns)
        case "jsonl":
            return JsonLines(columns, wanted)
        case "lines":
            return Lines()
        case _:
            return Delimited(dialect or Dialect(), columns)


def head_of(stream: IO[bytes], size: int = HEAD_BYTES) -> bytes:
    stream.seek(0)
    return stream.read(size)


def suffix_of(name: str) -> str:
    """In lower case, with its point: of what is packed, or was, that of the file before."""
    name = name.lower()
    while (plain := without_suffix(name).removesuffix(".tar").removesuffix(".zip")) != name:
        name = plain
    return PurePosixPath(name).suffix


def _is_object(line: bytes, *, is_whole: bool) -> bool:
    """Whether a line is a JSON object; of one that is cut off, whether it begins as one does."""
    if not is_whole and len(line) > HEAD_BYTES // 2:
        return re.match(rb'\{\s*+"(?:[^"\\]++|\\.)*+"\s*+:', line) is not None
    try:
        return line.startswith(b"{") and is_whole and isinstance(from_json(line), dict)
    except ValueError:
        return False
