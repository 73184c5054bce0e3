"""What the first bytes of a file of texts tell of the whole, by the code that reads it when it is scored.

A file that is there as a whole is read so far that nothing is different; of a head, what its end would tell
is left open.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.preview import Reading
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.first_rows import ROWS, first_rows
from jobyard.workers.sentiment.plans import begun, chosen, read_as_of, written_as
from jobyard.workers.sentiment.tables.archives import ZIPPED, archive_of
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.contents import HEAD_BYTES, PARQUET, Found, find, head_of, table_in
from jobyard.workers.sentiment.tables.encodings import doubts, text_begin
from jobyard.workers.sentiment.tables.opening import open_plain
from jobyard.workers.sentiment.tables.packing import packing_of
from jobyard.workers.sentiment.tables.parquet import ParquetTable
from jobyard.workers.sentiment.tables.readings import LONG_BYTES
from jobyard.workers.sentiment.tables.steps import Opened, Target
from jobyard.workers.sentiment.tables.table import Table
from jobyard.workers.sentiment.tables.window import NOT_UTF_8, Part
from jobyard.workers.sentiment.tables.workbooks import OLE, is_workbook, sheets_of

# What is unpacked of a file that is packed.
MOST_BYTES: Final = 8 << 20
NOT_TOLD: Final = "what is in the file can't be told from its beginning; its job will say"


class _Head(Target):
    """Stops after MOST_BYTES; of a file that is cut, also where more of it would be needed."""

    def __init__(self, opened: Opened, path: Path, limit: int, room: Room, progress: Progress) -> None:
        super().__init__(path, limit, room, progress)
        self.is_cut = opened.is_cut

    def write(self, blocks: Iterator[bytes]) -> None:
        super().write(self._some(blocks))

    def _some(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        size = 0
        try:
            for block in blocks:
                yield block
                size += len(block)
                if size >= MOST_BYTES:
                    self.is_cut = True
                    return
        except WorkError:
            if not (self.is_cut and size):
                raise


class _Refused(Exception):
    """Why the file can't be read as it is asked for: the field that would change that, and what is wrong.

    That is the error's own field unless another one is known to be; where it has none, the file is wrong.
    """

    def __init__(self, error: WorkError, field: str | None = None) -> None:
        super().__init__(error.message)
        self.problem = {"field": field or error.field or "file", "message": error.message}


class _NotTold(Exception):
    """What is in the file stands further on: nothing is known against it."""


def preview(
    reading: Reading, source: Path, name: str, limit: int, progress: Progress, *, is_cut: bool
) -> dict[str, Any]:
    """Read the head of a file, `source`, that is called `name`; `is_cut`: there is more of it.

    Returns {"read_as" as the job has it, "columns": [name], "within": [names of what is within columns],
    "column" and "group_by": names, or None where they are yet to be said, "rows": [[text or None]] of the
    first columns, "row_count" of what was read, "read_bytes" that these rows take of plain text, or None,
    "broken": {"count", "first": [{"line", "error"}]}, "sheets": [name] or None, "warnings": [sentence],
    "problem": {"field", "message"} or None where nothing is known against it, "is_whole"}.
    """
    found: dict[str, Any] = {
        "read_as": {},
        "columns": [],
        "within": [],
        "column": None,
        "group_by": None,
        "rows": [],
        "row_count": None,
        "read_bytes": None,
        "broken": {"count": 0, "first": []},
        "sheets": None,
        "warnings": [],
        "problem": None,
        "is_whole": not is_cut,
    }
    copy = source.with_name(f"{source.name}.plain")
    try:
        _read(found, reading, source, name, copy, limit, progress, is_cut=is_cut)
    except _Refused as refused:
        found["problem"] = refused.problem
    except _NotTold:
        found["warnings"] = [NOT_TOLD]
    finally:
        copy.unlink(missing_ok=True)
    return found


def _read(
    found: dict[str, Any],
    reading: Reading,
    source: Path,
    name: str,
    copy: Path,
    limit: int,
    progress: Progress,
    *,
    is_cut: bool,
) -> None:
    spec = SentimentSpec(file=UUID(int=0), **reading.model_dump())
    found["sheets"] = _sheets(source, progress)
    try:
        opened = open_plain(spec, source, name, copy, limit, progress, Room(), _Head, is_cut=is_cut)
    except WorkError as error:
        raise _why_not_opened(error, source, found["sheets"], reading, is_cut=is_cut) from None
    found["is_whole"] = not opened.is_cut
    found["read_as"] = dict(opened.read_as)
    with opened.path.open("rb") as stream:
        kind, problem = _kind(opened, spec, stream)
        broken = Broken(skip=True, numbered=opened.numbered)
        try:
            table, whole = begun(kind, stream, _range(opened, stream), broken, progress)
        except WorkError as error:
            if opened.is_cut and _begins_elsewhere(opened.head):
                raise _NotTold from None
            raise _Refused(error) from None
        seen = Broken(skip=True, numbered=opened.numbered)
        _tell_of(found, opened, spec, table, whole, seen, stream, progress)
        _count(found, opened, table, whole, seen, stream, progress)
        found["warnings"] = [*opened.warnings, *_doubts(opened, table), *kind.warnings, *table.warnings]
        if problem is not None:
            raise problem


def _sheets(source: Path, progress: Progress) -> list[str] | None:
    """The names of a workbook's sheets; None for anything else, and for one that can't be read."""
    with suppress(WorkError), source.open("rb") as stream:
        head = head_of(stream)
        if head.startswith(OLE) or (archive_of(head) == ZIPPED and is_workbook(source)):
            return sheets_of(source, source.parent, progress)
    return None


def _why_not_opened(
    error: WorkError, source: Path, sheets: list[str] | None, reading: Reading, *, is_cut: bool
) -> _Refused | _NotTold:
    with source.open("rb") as stream:
        head = head_of(stream)
    if is_cut and _begins_elsewhere(head):
        return _NotTold()
    if sheets and (reading.sheet is not None or len(sheets) > 1):
        return _Refused(error, "sheet")
    return _Refused(error)


def _begins_elsewhere(head: bytes) -> bool:
    """Whether what is read of such a file need not be at its beginning: packed, an archive, or a document."""
    is_packed = archive_of(head) is not None or packing_of(head) is not None
    return (
        is_packed or head.startswith((PARQUET, OLE)) or head[text_begin(head) :].lstrip()[:1] in (b"{", b"[")
    )


def _range(opened: Opened, stream: IO[bytes]) -> Part:
    """The bytes to read: of a text that is cut, those of its whole lines."""
    begin, size = text_begin(opened.head), stream.seek(0, 2)
    if opened.is_cut and not opened.head.startswith(PARQUET):
        stream.seek(begin)
        size = begin + (stream.read(size - begin).rfind(b"\n") + 1) or size
    return Part(begin, max(begin, size), 0)


def _kind(opened: Opened, spec: SentimentSpec, stream: IO[bytes]) -> tuple[Found, _Refused | None]:
    """What the file is; where the column has to be said first, also why: it is then the table it seems to be.

    Raises _Refused.
    """
    if "rows_of" in opened.read_as:
        return Found("jsonl"), None
    asked = written_as(opened, spec)
    longer = partial(head_of, stream, LONG_BYTES)
    try:
        return find(opened.head, opened.name, asked, longer), None
    except WorkError as error:
        if spec.column is not None or (seems := table_in(opened.head, opened.name, asked)) is None:
            raise _Refused(error) from None
        return seems, _Refused(error, "column")


def _tell_of(
    found: dict[str, Any],
    opened: Opened,
    spec: SentimentSpec,
    table: Table,
    whole: Part,
    seen: Broken,
    stream: IO[bytes],
    progress: Progress,
) -> None:
    """Columns and rows, those `seen` to be broken, and which columns are those that were asked for."""
    columns = list(table.columns)
    rows, more = first_rows(table, whole, seen, stream, progress)
    found["columns"] = list(dict.fromkeys([*columns, *more]))
    found["rows"] = rows
    found["within"] = list(table.within(stream, whole, progress))
    found["read_as"] = read_as_of(table, opened)
    for field, asked in (("column", spec.column), ("group_by", spec.group_by)):
        if field == "group_by" and asked is None:
            continue
        try:
            found[field] = chosen(table, opened, stream, whole, progress, field, asked)
        except WorkError as error:
            if found["problem"] is None:
                found["problem"] = _Refused(error).problem


def _count(
    found: dict[str, Any],
    opened: Opened,
    table: Table,
    whole: Part,
    seen: Broken,
    stream: IO[bytes],
    progress: Progress,
) -> None:
    """The rows of what was read, and the broken ones, if the end of the file is not needed for that."""
    if isinstance(table, ParquetTable):
        found["row_count"], found["is_whole"] = whole.end, True
        return
    counted = Broken(skip=True, numbered=opened.numbered)
    found["row_count"] = sum(rows for _, rows in table.parts(stream, whole, 1 << 62, counted, progress))
    found["read_bytes"] = whole.end - whole.start
    found["broken"] = _broken(seen, counted, is_cut=opened.is_cut)


def _broken(seen: Broken, counted: Broken, *, is_cut: bool) -> dict[str, Any]:
    """Rows that are broken: those `seen` where rows were read, and those that were `counted` without reading.

    Of a file that is cut only those whose bytes are no text: what else is wrong its end might mend. Why a row
    is broken is known of the first ones (`Broken.first`): if all of them are such, the others count as such.
    """
    if is_cut:
        first = [one for one in seen.first if NOT_UTF_8 in one["error"]]
        count = seen.count if len(first) == len(seen.first) else len(first)
        return {"count": count, "first": first[:ROWS]}
    lines = {one["line"]: one for one in [*seen.first, *counted.first]}
    more = len(lines) - len(counted.first)
    first = [lines[line] for line in sorted(lines)]
    return {"count": max(counted.count + more, seen.count), "first": first[:ROWS]}


def _doubts(opened: Opened, table: Table) -> list[str]:
    is_said = isinstance(table, ParquetTable) or "encoding" in opened.read_as
    return [] if is_said else doubts(opened.head[:HEAD_BYTES])
