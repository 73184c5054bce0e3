"""Scoring a file of texts at once, in memory that doesn't grow with the file.

It does the same parts one after another that processes do side by side, so both make the same bytes.
"""

from pathlib import Path
from typing import get_args
from uuid import UUID

from jobyard.shared.disk import Room
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import NoProgress, Progress
from jobyard.workers.sentiment.outcome import Outcome, join_parts
from jobyard.workers.sentiment.parts import PartOfFile, write_part
from jobyard.workers.sentiment.plans import Plan, read_file
from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.scorer import Scorer


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
                done += write_part(spec, plan, work, scorer, progress, done, plan.rows)
        return join_parts(spec, plan, lambda number: paths[number].open("rb"), output, progress, room)
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


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
