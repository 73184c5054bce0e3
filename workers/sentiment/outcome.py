"""The outcome of a scored file, out of its parts: the file, what its result says, and its groups."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.plans import Plan, has_bodies
from jobyard.workers.sentiment.summary import Summary
from jobyard.workers.sentiment.tables.broken import Broken
from jobyard.workers.sentiment.tables.delimited import repeats_of
from jobyard.workers.sentiment.tables.mends import warnings_of
from jobyard.workers.sentiment.tables.merging import MERGERS, EscapingCsvMerger, Merger
from jobyard.workers.sentiment.tables.packing import without_suffix
from jobyard.workers.sentiment.tables.table import check_columns
from jobyard.workers.sentiment.tables.trailer import read_trailer
from jobyard.workers.sentiment.tables.writers import written
from jobyard.workers.sentiment.unseen_summary import UnseenSummary


@dataclass(frozen=True)
class Outcome:
    """A scored file's result, and of each group of its `group_by`, most rows first: see `score_file`."""

    result: dict[str, Any]
    groups: list[dict[str, Any]]


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
    return join_parts(spec, plan, open_part, output, progress, room or Room())


def join_parts(
    spec: SentimentSpec,
    plan: Plan,
    open_part: Callable[[int], IO[bytes]],
    output: Path,
    progress: Progress,
    room: Room,
) -> Outcome:
    """`put_together` without announcing a phase."""
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
    merger = _merger_of(spec)(output, [*columns], as_read=has_bodies(spec, plan))
    with written(output), merger:
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


def _merger_of(spec: SentimentSpec) -> type[Merger]:
    return EscapingCsvMerger if spec.escape_formulas else MERGERS[spec.format]


def scored_name(name: str, format: str) -> str:  # noqa: A002 (the spec's word)
    """`reviews.csv` → `reviews.scored.parquet`: ASCII letters, digits, '.', '_' and '-' only."""
    path = PurePosixPath(without_suffix(name.replace("\\", "/")))
    plain = unicodedata.normalize("NFKD", path.stem).encode("ascii", "ignore").decode()
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', plain).strip('._-')[:80] or 'texts'}.scored.{format}"
