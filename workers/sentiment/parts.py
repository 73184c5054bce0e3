"""Scoring one part of a file, whose rows lie aside until the file is put together."""

from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.plans import Plan, has_bodies
from jobyard.workers.sentiment.summary import Summary, labels_of
from jobyard.workers.sentiment.tables.arrays import is_utf_8, strings_of
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.cells import Scored
from jobyard.workers.sentiment.tables.fields import with_nulls
from jobyard.workers.sentiment.tables.json_lines import JsonLines
from jobyard.workers.sentiment.tables.parquet import ParquetTable
from jobyard.workers.sentiment.tables.table import Rows
from jobyard.workers.sentiment.tables.trailer import append_trailer
from jobyard.workers.sentiment.tables.writers import WRITERS, EscapingCsvWriter, Writer, written
from jobyard.workers.sentiment.unseen_summary import UnseenSummary
from jobyard.workers.sentiment.vader.bulk import BulkScorer


class PartOfFile(NamedTuple):
    """Which part of a file, the file's bytes, and where its scored rows are to be written."""

    number: int
    stream: IO[bytes]
    output: Path
    room: Room


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
    return write_part(spec, plan, work, scorer, progress, 0, plan.part_rows[number])


def write_part(
    spec: SentimentSpec,
    plan: Plan,
    work: PartOfFile,
    scorer: BulkScorer,
    progress: Progress,
    before: int,
    total: int,
) -> int:
    """`score_part` without announcing a phase: so many rows were scored `before`, of about `total`."""
    number, whole, output, room = work
    file, part, stream, added, types = plan.place(number, whole)
    broken = Broken(skip=spec.errors == "skip", source=", ".join(added.values()), numbered=file.numbered)
    wanted = list(dict.fromkeys(filter(None, (file.column, file.group_by))))
    table = file.table(wanted if has_bodies(spec, plan) else None)
    if isinstance(table, JsonLines):
        table.columns = [] if part.start < part.end else table.columns
        if not has_bodies(spec, plan):
            table.learn(stream, part, file.column, progress)
    columns = table.columns  # of JSON, more of them are found as rows are read
    if isinstance(table, ParquetTable):
        types = types or table.schema(stream)
        columns = list(types.names)
        types = _types(types, added)
    summary = Summary(plan.group_by)
    unseen = UnseenSummary(plan.rows)
    with (
        written(output),
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
