"""From an uploaded file to plain bytes: UTF-8 text, or Parquet.

A file may be compressed, or in another encoding: each step undoes one such thing, writes what it found
aside, and says so. Steps are taken until what is left is plain.
"""

from collections.abc import Callable
from pathlib import Path

from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables import encodings
from jobyard.workers.sentiment.tables.archives import Extract
from jobyard.workers.sentiment.tables.contents import PARQUET, head_of
from jobyard.workers.sentiment.tables.documents import FromDocument
from jobyard.workers.sentiment.tables.line_ends import LineEnds
from jobyard.workers.sentiment.tables.packing import Unpack
from jobyard.workers.sentiment.tables.signatures import refuse, refuse_binary
from jobyard.workers.sentiment.tables.steps import Opened, Step, Target
from jobyard.workers.sentiment.tables.window import BLOCK_BYTES
from jobyard.workers.sentiment.tables.workbooks import ReadWorkbook


class Decode(Step):
    def applies(self, opened: Opened, spec: SentimentSpec) -> bool:
        # A workbook says itself how its texts are encoded.
        if opened.head.startswith(PARQUET) or "sheet" in opened.read_as or "encoding" in opened.read_as:
            return False
        return encodings.encoding_of(opened.head, spec.encoding) not in encodings.UTF_8

    def take(self, opened: Opened, spec: SentimentSpec, target: Target, progress: Progress) -> None:
        encoding = encodings.encoding_of(opened.head, spec.encoding)
        if not encoding.startswith("utf-") and encodings.is_utf_8(opened.head):
            opened.warnings.append(f"the file is read as {encoding}, though it seems to be UTF-8")
        elif encoding == "iso8859-1" and encodings.OF_CP1252.search(opened.head):
            opened.warnings.append(
                "the file has bytes that are no letters in iso8859-1; if they are curly quotes, set "
                "`encoding` to cp1252"
            )
        with opened.path.open("rb") as stream:
            blocks = iter(lambda: stream.read(BLOCK_BYTES), b"")
            target.write(encodings.decoded(blocks, encoding))
        opened.read_as["encoding"] = encoding


def _target(_opened: Opened, path: Path, limit: int, room: Room, progress: Progress) -> Target:
    return Target(path, limit, room, progress)


# In this order: a workbook is a zip archive of its own, what is packed has an encoding, too, and lines end in
# letters.
STEPS: tuple[Step, ...] = (Unpack(), ReadWorkbook(), Extract(), Decode(), LineEnds(), FromDocument())


def open_plain(
    spec: SentimentSpec,
    source: Path,
    name: str,
    copy: Path,
    limit: int,
    progress: Progress,
    room: Room,
    target_of: Callable[[Opened, Path, int, Room, Progress], Target] = _target,
    *,
    is_cut: bool = False,
) -> Opened:
    """Find the plain bytes of `source`, uploaded as `name`: its own, or `copy` if they had to be written.

    `is_cut`: `source` has only the file's first bytes. Raises WorkError for what can't be read, and for over
    `limit` bytes; and what `room` raises.
    """
    opened = Opened(source, name, _head_of(source), is_cut=is_cut)
    scratch = [copy.with_name(f"{copy.name}.{number}") for number in range(2)]
    try:
        while (step := _next_step(opened, spec)) is not None:
            path = scratch[0]
            with target_of(opened, path, limit, room.afresh(), progress) as target:
                step.take(opened, spec, target, progress)
            opened.path, opened.head, opened.is_cut = path, _head_of(path), opened.is_cut or target.is_cut
            scratch.reverse()
        if not opened.head.startswith(PARQUET):
            refuse_binary(opened.head, spec.encoding if "encoding" not in opened.read_as else "utf-8")
        if spec.sheet is not None and "sheet" not in opened.read_as:
            raise WorkError("the file is no workbook; `sheet` should be left out", field="sheet")
        if opened.path != source:
            opened.path = opened.path.replace(copy)
        if opened.head.startswith(PARQUET):
            opened.numbered = "row"
    finally:
        for path in scratch:
            path.unlink(missing_ok=True)
    return opened


def _next_step(opened: Opened, spec: SentimentSpec) -> Step | None:
    refuse(opened.head, spec.encoding if "encoding" not in opened.read_as else "utf-8")
    return next((step for step in STEPS if step.applies(opened, spec)), None)


def _head_of(path: Path) -> bytes:
    with path.open("rb") as stream:
        return head_of(stream)
