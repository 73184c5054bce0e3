"""The rows of a scored file as a file of another format: those with a label or some words, in any order.

DuckDB writes it into a folder of its own, which may take as much of the disk as is to be free; only then it
is sent. So a slow client holds neither DuckDB nor its memory.
"""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

import duckdb

from jobyard.client.formulas import escaped
from jobyard.shared.disk import Disk
from jobyard.shared.errors import Busy, Conflict, JobyardError
from jobyard.shared.storage import Storage
from jobyard.web.services.cells import as_cell, as_field, as_json_text
from jobyard.web.services.exports import Export, why_no_workbook
from jobyard.web.services.footers import Placeholders
from jobyard.web.services.row_orders import order_of
from jobyard.web.services.scored_table import ScoredTable, opened, quoted
from jobyard.web.services.scores import readable

# So many files are written at once; so many requests wait for their turn, not for longer than this, for each
# holds a thread.
WRITERS: Final = 2
WAITERS: Final = 4
PATIENCE_SECONDS: Final = 20.0
# Writing one takes no longer, for nothing is sent before its end.
MAX_SECONDS: Final = 300.0
WATCH_SECONDS: Final = 0.2
# A row group of Parquet has about so many bytes, and rows between these.
GROUP_BYTES: Final = 32_000_000
CHUNK_BYTES: Final = 256 << 10
GROUP_ROWS: Final = (2_048, 122_880)

OTHERS: Final = "other files are being written for downloads; try again in a few seconds"

_writers = threading.BoundedSemaphore(WRITERS)
_admitted = threading.BoundedSemaphore(WRITERS + WAITERS)


class Written(NamedTuple):
    """A file: what it begins with, and the rest, which is gone once it is closed."""

    head: bytes
    rest: IO[bytes]

    def size(self) -> int:
        """In bytes."""
        return len(self.head) + os.fstat(self.rest.fileno()).st_size

    def chunks(self) -> Iterator[bytes]:
        """All of it. It is closed afterwards."""
        with self.rest:
            if self.head:
                yield self.head
            while chunk := self.rest.read(CHUNK_BYTES):
                yield chunk


def write(
    storage: Storage, key: str, column: str, export: Export, least_free: int, *, size: int = 0
) -> Written:
    """The rows of the scored file under a key, whose texts came from `column` and which has `size` bytes.

    At least so many bytes stay free on the disk. Raises BadInput for a column that isn't there, Busy if
    others are being written for long or too many wait for that, Conflict if the file can't be read, takes
    too long or doesn't fit into a sheet, DiskFull.
    """
    with _turn(), tempfile.TemporaryDirectory(prefix="jobyard-") as temporary:
        folder = Path(temporary)
        disk = Disk([folder], least_free)
        disk.check(size)
        free, least = disk.room()
        with (
            storage.local(key, folder) as path,
            readable(storage.check),
            opened(str(path), None, folder, free - least) as connection,
            _watched(disk, connection.interrupt),
        ):
            writing = _Writing(ScoredTable(connection, str(path), column), export, folder)
            writing.write()
        if export.format == "xlsx":
            writing.into_workbook(disk)
        return Written(writing.head, writing.target.open("rb"))


@contextmanager
def _turn() -> Iterator[None]:
    if not _admitted.acquire(blocking=False):
        raise Busy(OTHERS)
    try:
        if not _writers.acquire(timeout=PATIENCE_SECONDS):
            raise Busy(OTHERS)
        try:
            yield
        finally:
            _writers.release()
    finally:
        _admitted.release()


@contextmanager
def _watched(disk: Disk, interrupt: Callable[[], object]) -> Iterator[None]:
    """Interrupt what is done within if the disk gets full, or it takes too long. Raises why it was."""
    why: list[JobyardError] = []
    ended = threading.Event()

    def watch() -> None:
        until = time.monotonic() + MAX_SECONDS
        while not ended.wait(WATCH_SECONDS):
            try:
                _look(disk, until)
            except JobyardError as error:
                why.append(error)
                interrupt()  # at each turn: one that comes between two statements does nothing

    watcher = threading.Thread(target=watch, name="watch export", daemon=True)
    watcher.start()
    try:
        yield
    except duckdb.Error:
        if why:
            raise why[0] from None
        raise
    finally:
        ended.set()
        watcher.join()


def _look(disk: Disk, until: float) -> None:
    disk.check()
    if time.monotonic() > until:
        raise Conflict("it takes too long to write so many rows; ask for fewer, or for another format")


class _Writing:
    """Of an open file, into a folder. `head` is what the file begins with that is not in `target`."""

    def __init__(self, table: ScoredTable, export: Export, folder: Path) -> None:
        self._table = table
        self._export = export
        self._folder = folder
        self._order = order_of(table, export.sort)
        self._values = [*zip(table.columns, table.types, strict=True)]
        self.head = b""
        self.target = folder / "rows"

    def write(self) -> None:
        match self._export.format:
            case "parquet":
                self._parquet()
            case "csv":
                self._csv()
            case "jsonl":
                self._json_lines()
            case "xlsx":
                self._check_fits_a_sheet()
                self._lines(f"json_array({', '.join(as_cell(*value) for value in self._values)})")

    def into_workbook(self, disk: Disk) -> None:
        """Of the lines that were written. Raises Conflict if it takes too long, DiskFull."""
        names, workbook = self._folder / "names", self._folder / "rows.xlsx"
        names.write_text(json.dumps(self._table.names), encoding="utf-8")
        module = "jobyard.web.services.workbook"
        command = [sys.executable, "-P", "-m", module, str(names), str(self.target), str(workbook)]
        until = time.monotonic() + MAX_SECONDS
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - ours
            try:
                while process.poll() is None:
                    _look(disk, until)
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(WATCH_SECONDS)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            disk.check(self.target.stat().st_size)
            raise RuntimeError(f"the workbook was not written: exit status {process.returncode}")
        self.target = workbook

    def _check_fits_a_sheet(self) -> None:
        why_not = why_no_workbook(self._table.count(self._export.filter), len(self._table.names))
        if why_not is not None:
            raise Conflict(why_not)

    def _parquet(self) -> None:
        names = Placeholders(len(self._values))
        what = ", ".join(
            f'{column} AS "{name}"' for (column, _), name in zip(self._values, names.names, strict=True)
        )
        least, most = GROUP_ROWS
        rows = min(max(GROUP_BYTES // max(self._table.row_bytes(), 1), least), most)
        kept = ", ".join(f"{quoted(key)}: {quoted(value)}" for key, value in self._table.metadata().items())
        metadata = f", KV_METADATA {{{kept}}}" if kept else ""
        self._copy(what, f"FORMAT parquet, ROW_GROUP_SIZE {rows}{metadata}")
        names.replace(self.target, self._table.names)

    def _csv(self) -> None:
        escapes, names = self._export.escape_formulas, self._table.names
        header = io.StringIO(newline="")
        csv.writer(header).writerow(map(escaped, names) if escapes else names)
        self.head = header.getvalue().encode()
        cells = (as_field(*value, escape_formulas=escapes) for value in self._values)
        fields = ", ',', ".join(cells)
        self._lines(f"concat({fields}, chr(13))")  # and the line feed that follows

    def _json_lines(self) -> None:
        parts: list[str] = []
        for place, (name, value) in enumerate(zip(self._table.names, self._values, strict=True)):
            key = f"{', ' if place else '{'}{json.dumps(name, ensure_ascii=False)}: "
            parts += [quoted(key), as_json_text(*value)]
        self._lines(f"concat({', '.join(parts)}, '}}')")

    def _lines(self, line: str) -> None:
        self._copy(line, "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01'")

    def _copy(self, what: str, options: str) -> None:
        where, more = self._table.where(self._export.filter)
        order = "" if self._order.is_of_rows else f" ORDER BY {self._order}"
        self._table.copy(self.target, options, what, f"WHERE {where}{order}", more)
