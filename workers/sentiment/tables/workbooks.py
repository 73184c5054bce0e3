"""Workbooks of Excel and others, of which one sheet is read.

A few bytes of them can stand for gigabytes of cells, and the library that reads them holds a whole sheet: it
has a process of its own (`sheets`), with limits.
"""

import struct
import tempfile
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

from jobyard.shared.archives.zips import open_zip
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime import child
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.archives import ZIPPED, archive_of, mimetype
from jobyard.workers.sentiment.tables.packing import without_suffix
from jobyard.workers.sentiment.tables.steps import Opened, Step, Target
from jobyard.workers.sentiment.tables.table import DEFAULT_COLUMN
from jobyard.workers.sentiment.tables.window import BLOCK_BYTES

LIMITS: Final = child.Limits(seconds=300, memory_bytes=2 << 30)
READER: Final = "jobyard.workers.sentiment.tables.sheets"
SHEET_FILE: Final = "sheet.csv"

# Microsoft's compound file, of Office up to 2003, and of what later ones encrypt.
OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# What of Office it is, by the name of a stream in it.
STREAMS: Final = {
    "EncryptedPackage": "an Office file with a password; save it without one",
    "Workbook": None,
    "Book": None,
    "WordDocument": "a Word document (.doc); should be CSV, JSON lines, Parquet, a workbook or plain text",
    "PowerPoint Document": "a PowerPoint presentation (.ppt); should be a table",
    "__properties_version1.0": "an Outlook message (.msg); should be a table",
}
SPREADSHEET: Final = b"application/vnd.oasis.opendocument.spreadsheet"
SAVE: Final = "save it anew as .xlsx or CSV"


class ReadWorkbook(Step):
    """Of a workbook, the rows of a sheet as CSV: commas, and every field in quotes."""

    def applies(self, opened: Opened, spec: SentimentSpec) -> bool:
        if opened.head.startswith(OLE):
            refuse_other_office(opened.path)
            return True
        return archive_of(opened.head) == ZIPPED and is_workbook(opened.path)

    def take(self, opened: Opened, spec: SentimentSpec, target: Target, progress: Progress) -> None:
        asked = [spec.column, spec.group_by] if spec.column is not None else [DEFAULT_COLUMN, spec.group_by]
        told = {
            "path": str(opened.path.resolve()),
            "sheet": spec.sheet,
            "columns": [name for name in asked if isinstance(name, str)],
            "is_asked": spec.column is not None,
            "has_header": spec.header != "no",
            "skip_lines": spec.skip_lines,
            "limit": target.limit,
            "memory_bytes": LIMITS.memory_bytes,
            "no_memory": _no_memory(),
        }
        with tempfile.TemporaryDirectory(dir=target.folder, prefix="sheets-") as folder:
            ended = child.run(READER, told, Path(folder), progress, LIMITS)
            found = child.result_of(ended, _why)
            target.write(_blocks(Path(folder) / SHEET_FILE))
        opened.layers.append("workbook")
        opened.read_as["sheet"] = found["sheet"]
        opened.warnings += found["warnings"]
        opened.name = f"{without_suffix(opened.name)}.csv"


def sheets_of(path: Path, folder: Path, progress: Progress) -> list[str]:
    """The names of a workbook's sheets. Raises WorkError where it can't be read."""
    told = {
        "path": str(path.resolve()),
        "lists": True,
        "memory_bytes": LIMITS.memory_bytes,
        "no_memory": _no_memory(),
    }
    with tempfile.TemporaryDirectory(dir=folder, prefix="sheets-") as scratch:
        ended = child.run(READER, told, Path(scratch), progress, LIMITS)
        names: list[str] = child.result_of(ended, _why)["sheets"]
    return names


def is_workbook(path: Path) -> bool:
    """Whether a zip archive is a workbook of Excel or OpenDocument. Raises WorkError where it is damaged."""
    with path.open("rb") as file, open_zip(file) as archive:
        names = set(archive.namelist())
        if names & {"xl/workbook.xml", "xl/workbook.bin"}:
            return True
        return "mimetype" in names and mimetype(archive).startswith(SPREADSHEET)


def refuse_other_office(path: Path) -> None:
    """Raises WorkError for a compound file that is no workbook, by its true name."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        for stream, refusal in STREAMS.items():
            if data.find(_entry(stream)) >= 0:
                if refusal is not None:
                    raise WorkError(f"the file is {refusal}")
                return
    raise WorkError(
        "the file is an old Excel workbook (.xls) or other file of Office, and is damaged: it has no sheets; "
        f"{SAVE}"
    )


def _entry(name: str) -> bytes:
    """How a stream's entry begins in a compound file's directory: 64 bytes of name, and its length."""
    coded = name.encode("utf-16-le")
    return coded.ljust(64, b"\0") + struct.pack("<H", len(coded) + 2)


def _why(ended: child.Ended) -> str:
    """Why the reader gave no answer."""
    if ended.took_too_long:
        return f"the workbook takes over {LIMITS.seconds:,.0f} seconds to read; {SAVE}"
    if ended.took_too_much_memory or "memory allocation of" in ended.log:
        return _no_memory()
    return f"the workbook can't be read, its reader ended with {ended.how}; {SAVE}"


def _no_memory() -> str:
    return (
        f"the workbook takes over {LIMITS.memory_bytes:,} bytes of memory to read: it is too large, "
        f"or a cell lies far from the others; {SAVE}"
    )


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block
