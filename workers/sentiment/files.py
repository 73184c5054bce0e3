"""Scoring a file of texts, in memory that doesn't grow with the file: at once, or in parts.

One run does the same parts one after another, so both make the same bytes.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, Self, get_args
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import ColumnNumber, SentimentSpec
from jobyard.workers.runtime.progress import NoProgress, Progress
from jobyard.workers.sentiment.summary import Summary, labels_of
from jobyard.workers.sentiment.tables.arrays import is_utf_8, strings_of
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.cells import Scored
from jobyard.workers.sentiment.tables.contents import Found, find, head_of, open_table
from jobyard.workers.sentiment.tables.delimited import repeats_of
from jobyard.workers.sentiment.tables.dialects import Dialect
from jobyard.workers.sentiment.tables.encodings import doubts, text_begin
from jobyard.workers.sentiment.tables.fields import with_nulls
from jobyard.workers.sentiment.tables.json_lines import JsonLines
from jobyard.workers.sentiment.tables.mends import warnings_of
from jobyard.workers.sentiment.tables.merging import MERGERS, EscapingCsvMerger, Merger
from jobyard.workers.sentiment.tables.opening import open_plain
from jobyard.workers.sentiment.tables.packing import without_suffix
from jobyard.workers.sentiment.tables.parquet import ParquetTable
from jobyard.workers.sentiment.tables.readings import LONG_BYTES
from jobyard.workers.sentiment.tables.steps import Opened
from jobyard.workers.sentiment.tables.table import Rows, Table, check_columns
from jobyard.workers.sentiment.tables.trailer import append_trailer, read_trailer
from jobyard.workers.sentiment.tables.window import Part
from jobyard.workers.sentiment.tables.writers import WRITERS, EscapingCsvWriter, Writer
from jobyard.workers.sentiment.unseen_summary import UnseenSummary
from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.scorer import Scorer

# Arrow's own allocator keeps more of what it has given back, and is no faster here.
pa.set_memory_pool(pa.system_memory_pool())

# A part is about a twelfth of the file, within these bounds: so many that processes end together, each up
# to a second of scoring, which is how long one text may have to wait for a process.
PARTS = 12
MIN_PART_BYTES = 4_000_000
MAX_PART_BYTES = 24_000_000
# A file of fewer parts is scored at once: it is done sooner than it is split and put together.
MIN_PARTS = 4


@dataclass(frozen=True)
class Plan:
    """What is known of a file after it was read once, and so need not be found out again for each part.

    `dialect` is that of delimited text. `rows` are counted nearly. `is_copied`: parts are ranges of its
    plain bytes, which were written aside. `batch`, of Parquet, is how many rows may be read at once.
    `read_as` and `warnings` are for the result.
    """

    kind: str
    dialect: Dialect | None
    name: str
    columns: list[str]
    column: str
    group_by: str | None
    is_copied: bool
    batch: int
    parts: list[Part]
    part_rows: list[int]
    read_as: dict[str, Any]
    warnings: list[str]
    numbered: str = "line"

    @property
    def rows(self) -> int:
        return sum(self.part_rows)

    @property
    def is_large(self) -> bool:
        """Whether it is worth to be scored by several processes."""
        return True

    @classmethod
    def from_trailer(cls, note: dict[str, Any]) -> Self:
        dialect = None if note["dialect"] is None else Dialect.from_note(note["dialect"])
        parts = [Part(*part) for part in note["parts"]]
        return cls(**note | {"dialect": dialect, "parts": parts})

    def note(self) -> dict[str, Any]:
        """For `from_trailer`: what JSON can hold."""
        return dict(vars(self))

    def place(self, number: int, stream: IO[bytes]) -> "Place":
        """Where a part is. `stream` has the bytes that the parts are ranges of."""
        return Place(self, self.parts[number], stream, {}, None)

    def table(self, wanted: list[str] | None = None) -> Table:
        table = open_table(self.kind, list(self.columns), wanted, self.dialect)
        if isinstance(table, ParquetTable):
            table.batch = self.batch
        table.inner = [name for name in (self.column, self.group_by) if name and name not in self.columns]
        return table


class Place(NamedTuple):
    """The plan of a part's file, the part's range of that file's bytes, and these.

    `added` are columns that the file does not have itself, and their value in its rows. `schema` is that of
    all files, where those are several of Parquet.
    """

    plan: Plan
    part: Part
    stream: IO[bytes]
    added: dict[str, str]
    schema: Any


@dataclass(frozen=True)
class Outcome:
    """A scored file's result, and of each group of its `group_by`, most rows first: see `score_file`."""

    result: dict[str, Any]
    groups: list[dict[str, Any]]


def score_file(
    spec: SentimentSpec,
    source: Path,
    name: str,
    output: Path,
    scorer: BulkScorer,
    limit: int,
    progress: Progress,
    room: Room | None = None,
) -> Outcome:
    """Score a column of `source` (uploaded as `name`) and write the scored file to `output`.

    The scored file has every row in its order, every original column, then neg, neu, pos, compound and
    label. A text that is null, missing or empty is a null: so are its scores and its label. White space
    alone is a text without words, which NLTK scores with zeros. Unpacked it may have `limit` bytes; the
    scored file may take `room`.

    The result is {"rows", "nulls", "skipped", "labels": {label: count}, "shares": {label: share of the
    scored rows, None if there are none}, "mean" and "std" (of all there are) of compound, or None,
    "histogram": {"edges": [41], "counts": [40]}, "most_positive" and "most_negative": at most ten that
    are so at all, {"row": from 0, "text": 500 characters of it, "compound"}, "group_by" and "groups":
    column and number of groups or None, "errors": {"count", "first": [{"line", "error"}], a hundred} or
    None if they fail the file, "file" (a name for `output`), "format", "column", "read_as": {"format",
    what else was found out about the file}, "warnings": [sentence], "unseen": {"emoji", "curly", "html",
    "not_english"} as `vader.unseen.as_result` says, "lexicon": {"sha256"}}.
    A group is {"value", "rows", "nulls", "labels", "mean", "std", "histogram": [40]}.

    Raises WorkError where the file is not what it should be, and what `room` raises; `output` is then not
    left behind.
    """
    copy = output.with_name(f"{output.name}.plain")
    try:
        plan = read_file(spec, source, name, copy, limit, progress, room)
        return score_whole(spec, plan, copy if plan.is_copied else source, output, scorer, progress, room)
    finally:
        copy.unlink(missing_ok=True)


def read_file(
    spec: SentimentSpec,
    source: Path,
    name: str,
    copy: Path,
    limit: int,
    progress: Progress,
    room: Room | None = None,
) -> Plan:
    """Find out what `source` is and where its parts begin and end; `copy` gets its plain bytes if need be.

    Its first rows and the places of all its quotes are checked, the rest where it is scored. `copy` takes
    `room`. Raises WorkError, and what `room` raises.
    """
    progress.phase("reading")
    opened = open_plain(spec, source, name, copy, limit, progress, room or Room())
    # In parts they are found once more, and counted there.
    broken = Broken(skip=spec.errors == "skip", numbered=opened.numbered)
    head = opened.head
    with opened.path.open("rb") as stream:
        is_json = "rows_of" in opened.read_as
        longer = partial(head_of, stream, LONG_BYTES)
        asked = written_as(opened, spec)
        kind = Found("jsonl") if is_json else find(head, opened.name, asked, longer)
        size = stream.seek(0, 2)
        table, whole = begun(kind, stream, Part(text_begin(head), size, 0), broken, progress)
        column = table.choose(stream, whole, named_inside(opened, spec.column), progress)
        group_by = None
        if spec.group_by is not None:
            group_by = table.choose(stream, whole, named_inside(opened, spec.group_by), progress)
        batch = table.check(stream, column, limit, progress) if isinstance(table, ParquetTable) else 0
        # A little more than that: parts end with a row, before it is reached, and no scrap is to be left.
        part_size = min(max(size // PARTS + size // 1_000, MIN_PART_BYTES), MAX_PART_BYTES)
        # A table without rows is one part without rows, which brings the columns.
        found = list(table.parts(stream, whole, part_size, broken, progress)) or [(whole, 0)]
    return Plan(
        table.kind,
        kind.dialect,
        name,
        table.columns,
        column,
        group_by,
        opened.path != source,
        batch,
        [part for part, _ in found],
        [rows for _, rows in found],
        read_as_of(table, opened),
        [
            *opened.warnings,
            *([] if isinstance(table, ParquetTable) or "encoding" in opened.read_as else doubts(head)),
            *kind.warnings,
            *table.warnings,
        ],
        opened.numbered,
    )


def written_as(opened: Opened, spec: SentimentSpec) -> SentimentSpec:
    """A sheet was written aside as CSV, which is not how the file is written that the job speaks of."""
    is_sheet = "sheet" in opened.read_as
    return spec.model_copy(update={"delimiter": ",", "quote": "double"}) if is_sheet else spec


def begun(
    kind: Found, stream: IO[bytes], every: Part, broken: Broken, progress: Progress
) -> tuple[Table, Part]:
    """The table that is found in `every` byte, and where its rows are. Raises WorkError."""
    table = open_table(kind.kind, [], dialect=kind.dialect)
    return table, table.begin(stream, every, broken, progress)


def read_as_of(table: Table, opened: Opened) -> dict[str, Any]:
    """What was found out about a file, for the result; also whether rows are counted, and not lines."""
    numbered = {} if opened.numbered == "line" else {"numbered": opened.numbered}
    return {"format": table.kind, **table.read_as, **opened.read_as, **numbered}


def named_inside(opened: Opened, column: str | int | ColumnNumber | None) -> str | int | ColumnNumber | None:
    """A column as it is called in a row, where it may be said with what the rows are in."""
    return (column.removeprefix(opened.prefix) or column) if isinstance(column, str) else column


def score_whole(
    spec: SentimentSpec,
    plan: Plan,
    source: Path,
    output: Path,
    scorer: BulkScorer,
    progress: Progress,
    room: Room | None = None,
) -> Outcome:
    """`score_file` of a file that was read: `source` has the bytes that its parts are ranges of."""
    progress.phase("scoring")
    room = room or Room()
    for_parts = room.afresh()
    paths = [output.with_name(f"{output.name}.{number}") for number in range(len(plan.parts))]
    try:
        with source.open("rb") as stream:
            done = 0
            for number, path in enumerate(paths):
                work = PartOfFile(number, stream, path, for_parts)
                done += _score_part(spec, plan, work, scorer, progress, done, plan.rows)
        return _put_together(spec, plan, lambda number: paths[number].open("rb"), output, progress, room)
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def score_part(
    spec: SentimentSpec,
    plan: Plan,
    number: int,
    stream: IO[bytes],
    output: Path,
    scorer: BulkScorer,
    progress: Progress,
    room: Room | None = None,
) -> int:
    """Score one part of the file: `output` is for `put_together`. Returns how many rows it had.

    Raises WorkError, and what `room` raises.
    """
    progress.phase("scoring")
    work = PartOfFile(number, stream, output, room or Room())
    return _score_part(spec, plan, work, scorer, progress, 0, plan.part_rows[number])


def put_together(
    spec: SentimentSpec,
    plan: Plan,
    open_part: Callable[[int], IO[bytes]],
    output: Path,
    progress: Progress,
    room: Room | None = None,
) -> Outcome:
    """The scored file and the outcome of `score_file`, out of what `score_part` wrote.

    Raises WorkError if workers with different lexicons have scored the parts, and what `room` raises.
    """
    progress.phase("joining the parts")
    return _put_together(spec, plan, open_part, output, progress, room or Room())


class PartOfFile(NamedTuple):
    """Which part of a file, the file's bytes, and where its scored rows are to be written."""

    number: int
    stream: IO[bytes]
    output: Path
    room: Room


def _score_part(
    spec: SentimentSpec,
    plan: Plan,
    work: PartOfFile,
    scorer: BulkScorer,
    progress: Progress,
    before: int,
    total: int,
) -> int:
    number, whole, output, room = work
    file, part, stream, added, types = plan.place(number, whole)
    broken = Broken(skip=spec.errors == "skip", source=", ".join(added.values()), numbered=file.numbered)
    wanted = list(dict.fromkeys(filter(None, (file.column, file.group_by))))
    table = file.table(wanted if _has_bodies(spec, plan) else None)
    if isinstance(table, JsonLines):
        table.columns = [] if part.start < part.end else table.columns
        if not _has_bodies(spec, plan):
            table.learn(stream, part, file.column, progress)
    columns = table.columns  # of JSON, more of them are found as rows are read
    if isinstance(table, ParquetTable):
        types = types or table.schema(stream)
        columns = list(types.names)
        types = _types(types, added)
    summary = Summary(plan.group_by)
    unseen = UnseenSummary(plan.rows)
    with (
        _written(output),
        _writer_of(spec)(output, [*columns, *added], types) as writer,
    ):
        for read in table.rows(stream, part, file.column, broken, progress):
            rows = read.plus(added)
            scored = _score(spec, plan, rows, scorer, summary, unseen, progress)
            room.take(writer.write(rows, scored))
            progress.update(before + summary.rows, max(total, before + summary.rows), "rows")
    if clashing := [name for name in added if name in table.columns]:
        raise WorkError(f"{added[clashing[0]]}: has a key {clashing[0]!r}, which is to name the file")
    append_trailer(
        output,
        {
            "columns": [*columns, *added],
            "summary": summary.note(),
            "unseen": unseen.note(),
            "broken": [broken.count, broken.first],
            "lexicon": scorer.sha256,
            "mended": dict(table.counts),
        },
    )
    return summary.rows


def _types(schema: Any, added: Iterable[str]) -> Any:
    for name in added:
        schema = schema.append(pa.field(name, pa.string()))
    return schema


def _writer_of(spec: SentimentSpec) -> type[Writer]:
    return EscapingCsvWriter if spec.escape_formulas else WRITERS[spec.format]


def _merger_of(spec: SentimentSpec) -> type[Merger]:
    return EscapingCsvMerger if spec.escape_formulas else MERGERS[spec.format]


def _has_bodies(spec: SentimentSpec, plan: Plan) -> bool:
    return plan.kind == "jsonl" and spec.format == "jsonl"


def _score(
    spec: SentimentSpec,
    plan: Plan,
    rows: Rows,
    scorer: BulkScorer,
    summary: Summary,
    unseen: UnseenSummary,
    progress: Progress,
) -> Scored:
    texts = strings_of(rows.column(plan.column))
    if spec.null_values:
        texts = with_nulls(texts, pa.array(spec.null_values))
    scores, found = scorer.score_and_look(texts, progress)
    unseen.add(texts, found)
    is_empty = pc.equal(pc.binary_length(texts), 0).fill_null(True).to_numpy(zero_copy_only=False)
    for numbers in scores:
        numbers[is_empty] = np.nan
    labels = labels_of(scores.compound, spec.thresholds)
    groups = None if plan.group_by is None else _as_groups(rows.column(plan.group_by), plan.group_by)
    summary.add(texts, scores.compound, labels, groups)
    return Scored(*scores, labels)


def _as_groups(array: Any, name: str) -> Any:
    try:
        groups = strings_of(array)
        if not is_utf_8(groups):
            raise UnicodeError
        return groups
    except (pa.ArrowException, UnicodeError):
        raise WorkError(
            f"column {name!r} is {array.type}; should be strings or numbers, to group by"
        ) from None


def _put_together(
    spec: SentimentSpec,
    plan: Plan,
    open_part: Callable[[int], IO[bytes]],
    output: Path,
    progress: Progress,
    room: Room,
) -> Outcome:
    summary, unseen = Summary(plan.group_by), UnseenSummary()
    broken = Broken(skip=True)
    columns: dict[str, None] = {}
    lexicons = set()
    mended: Counter[str] = Counter()
    for number in range(len(plan.parts)):
        with open_part(number) as part:
            note, _ = read_trailer(part)
        columns |= dict.fromkeys(note["columns"])
        summary.add_note(note["summary"])
        unseen.add_note(note["unseen"])
        broken.add(*note["broken"])
        lexicons.add(note["lexicon"])
        mended.update(note["mended"])
    if len(lexicons) > 1:
        raise WorkError("the workers' lexicons differ; JOBYARD_LEXICON should be the same on all")
    if plan.kind == "jsonl":
        check_columns([*columns])
    merger = _merger_of(spec)(output, [*columns], as_read=_has_bodies(spec, plan))
    with _written(output), merger:
        for number in range(len(plan.parts)):
            with open_part(number) as part:
                note, size = read_trailer(part)
                merger.append(part, size, note["columns"], room)
            progress.update(summary.rows, summary.rows, "rows")
    groups = summary.groups()
    result = summary.result() | {
        "skipped": broken.count,
        "group_by": plan.group_by,
        "groups": None if plan.group_by is None else len(groups),
        "errors": {"count": broken.count, "first": broken.first} if spec.errors == "skip" else None,
        "file": scored_name(plan.name, spec.format),
        "format": spec.format,
        "column": plan.column,
        "read_as": plan.read_as,
        "warnings": [*plan.warnings, *warnings_of(mended), *repeats_of(mended)],
        "unseen": unseen.result(),
        "lexicon": {"sha256": lexicons.pop()},
    }
    return Outcome(result, groups)


def compile_all(folder: Path) -> None:
    """Have all loops compiled, or loaded from where they are kept: a small file goes through all of them."""
    scorer = BulkScorer(Scorer())
    rows = b'"a ""good"" one"\n\xff\n'  # the second is broken
    for name, content in (
        ("texts.csv", b"text\n" + rows),
        ("texts.txt", rows),
        ("texts.json", b'[{"text": "good"}]'),
        ("texts.csv.parquet", None),
    ):
        source = folder / name
        if content is not None:
            source.write_bytes(content)
        for format_ in get_args(SentimentSpec.model_fields["format"].annotation):
            spec = SentimentSpec(file=UUID(int=0), format=format_, column="text", errors="skip")
            output = folder / f"{name}.{format_}"
            score_file(spec, source, name, output, scorer, source.stat().st_size * 100, NoProgress())


@contextmanager
def _written(output: Path) -> Iterator[None]:
    """Leave no half of a file behind."""
    try:
        yield
    except BaseException:
        output.unlink(missing_ok=True)
        raise


def scored_name(name: str, format: str) -> str:  # noqa: A002 (the spec's word)
    """`reviews.csv` → `reviews.scored.parquet`: ASCII letters, digits, '.', '_' and '-' only."""
    path = PurePosixPath(without_suffix(name.replace("\\", "/")))
    plain = unicodedata.normalize("NFKD", path.stem).encode("ascii", "ignore").decode()
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', plain).strip('._-')[:80] or 'texts'}.scored.{format}"
