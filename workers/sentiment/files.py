"""Scoring a file of texts, in memory that doesn't grow with the file: at once, or in parts."""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

from shared.errors import WorkError
from shared.specs import SentimentSpec
from workers.report import Report
from workers.sentiment.readers import MISSING, Part, Row, Table, open_part, open_table, open_whole
from workers.sentiment.scorer import Scorer
from workers.sentiment.summary import Summary
from workers.sentiment.writers import SCORE_COLUMNS, Writer, open_part_writer, open_writer

# A chunk ends at whichever comes first: well under a second of scoring.
CHUNK_ROWS = 2_000
CHUNK_CHARACTERS = 500_000

# A part is some chunks, about half a second of scoring: so long a text may have to wait for a process.
PART_ROWS = 6_000
PART_CHARACTERS = 500_000
# After so many parts they get twice as large, so that the largest file has some thousand of them.
PARTS_OF_A_SIZE = 500
# A file of fewer parts is scored at once: it is done sooner than it is split and put together.
MIN_PARTS = 4

# VADER is made for sentences. NLTK's memory grows with a text's different words: 1 kB a character at worst.
MAX_TEXT = 200_000

NULLS = [None] * len(SCORE_COLUMNS)


@dataclass(frozen=True)
class Plan:
    """What is known of a file that was read once, and so need not be read again to score it in parts.

    `index` is that of the column of texts.
    """

    kind: str
    name: str
    columns: list[str]
    index: int
    rows: int
    parts: list[Part]
    part_rows: list[int]

    @classmethod
    def from_json(cls, text: str) -> Self:
        plan = json.loads(text)
        return cls(**plan | {"parts": [Part(*part) for part in plan["parts"]]})

    def to_json(self) -> str:
        return json.dumps(vars(self))


def score_file(
    spec: SentimentSpec, source: Path, name: str, output: Path, scorer: Scorer, report: Report
) -> dict[str, Any]:
    """Score a column of `source` (uploaded as `name`) and write the scored file to `output`.

    The scored file has every row in its order, every original column, then neg, neu, pos, compound and
    label. A text that is null, missing or empty is a null: so are its scores and its label. White space
    alone is a text without words, which NLTK scores with zeros. The file is read twice: first to check
    and count every row, so that a mistake in the last line costs seconds, then to score.

    Returns {"rows", "nulls", "labels": {label: count}, "mean" (of compound; None if all are null),
    "histogram": {"edges": [41], "counts": [40]}, "file" (a name for `output`), "format", "column",
    "lexicon": {"sha256"}}.

    Raises WorkError where the file is not what it should be; `output` is then not left behind.
    """
    return score_whole(spec, read_file(spec, source, name, report), source, output, scorer, report)


def read_file(spec: SentimentSpec, source: Path, name: str, report: Report) -> Plan:
    """Read and check every row of `source`, and see where its parts begin and end. Raises WorkError."""
    report.phase("reading")
    table = open_table(source, name, spec.column)
    parts: list[Part] = []
    part_rows: list[int] = []
    start, lines_before = table.bytes_read, table.lines_read
    rows = size = 0

    def end_part() -> None:
        nonlocal start, lines_before, rows, size
        parts.append(Part(start, table.bytes_read, lines_before))
        part_rows.append(rows)
        start, lines_before = table.bytes_read, table.lines_read
        rows = size = 0

    for chunk in _chunks(table):
        rows += len(chunk)
        size += sum(row.size for row in chunk)
        times = 2 ** (len(parts) // PARTS_OF_A_SIZE)
        if rows >= PART_ROWS * times or size >= PART_CHARACTERS * times:
            end_part()
        report.check()
    if rows:
        end_part()
    if not parts:
        raise WorkError("the file has no rows")
    index = table.columns.index(table.choose(spec.column))
    return Plan(table.kind, name, table.columns, index, sum(part_rows), parts, part_rows)


def score_whole(
    spec: SentimentSpec, plan: Plan, source: Path, output: Path, scorer: Scorer, report: Report
) -> dict[str, Any]:
    """`score_file` of a file that was read."""
    report.phase("scoring")
    table = open_whole(plan.kind, source, plan.columns)
    summary = Summary(spec.thresholds)
    with _written(output), open_writer(spec.format, output, plan.columns) as writer:
        _score_table(table, plan.index, plan.rows, writer, scorer, summary, report)
    return _result(spec, plan, summary, scorer.sha256)


def score_part(
    spec: SentimentSpec,
    plan: Plan,
    number: int,
    source: Path,
    output: Path,
    scorer: Scorer,
    report: Report,
) -> dict[str, Any]:
    """Score one part of the file: `source` has its bytes. What is returned is for `put_together`."""
    report.phase("scoring")
    table = open_part(plan.kind, source, plan.parts[number], plan.columns)
    rows = plan.part_rows[number]
    summary = Summary(spec.thresholds)
    with _written(output), open_part_writer(spec.format, output, plan.columns) as writer:
        if _score_table(table, plan.index, rows, writer, scorer, summary, report) != rows:
            raise WorkError("the file has changed since it was read")
    return {"done": rows, "summary": summary.counted(), "lexicon": {"sha256": scorer.sha256}}


def put_together(
    spec: SentimentSpec,
    plan: Plan,
    parts: Iterable[tuple[Path, dict[str, Any]]],
    output: Path,
    report: Report,
) -> dict[str, Any]:
    """The scored file and the result of `score_file`, to the byte, out of all parts in their order.

    Each comes with what `score_part` returned for it. Raises WorkError if workers with different lexicons
    have scored them.
    """
    report.phase("putting together")
    summary = Summary(spec.thresholds)
    lexicons = set()
    done = 0
    with _written(output), open_writer(spec.format, output, plan.columns) as writer:
        for path, result in parts:
            writer.append(path)
            summary.add_counted(result["summary"])
            lexicons.add(result["lexicon"]["sha256"])
            done += result["done"]
            if len(lexicons) > 1:
                raise WorkError("the workers' lexicons differ; JOBYARD_LEXICON should be the same for all")
            report.progress(done, plan.rows, "rows")
    return _result(spec, plan, summary, lexicons.pop())


@contextmanager
def _written(output: Path) -> Iterator[None]:
    """Leave no half of a file behind."""
    try:
        yield
    except BaseException:
        output.unlink(missing_ok=True)
        raise


def _score_table(
    table: Table, index: int, rows: int, writer: Writer, scorer: Scorer, summary: Summary, report: Report
) -> int:
    done = 0
    for chunk in _chunks(table):
        writer.write(_score(chunk, index, scorer, summary))
        done += len(chunk)
        report.progress(done, rows, "rows")
    return done


def _result(spec: SentimentSpec, plan: Plan, summary: Summary, lexicon: str) -> dict[str, Any]:
    return {
        "rows": plan.rows,
        "nulls": plan.rows - sum(summary.labels.values()),
        "labels": summary.labels,
        "mean": summary.mean,
        "histogram": summary.histogram,
        "file": scored_name(plan.name, spec.format),
        "format": spec.format,
        "column": plan.columns[plan.index],
        "lexicon": {"sha256": lexicon},
    }


def scored_name(name: str, format: str) -> str:  # noqa: A002 (the spec's word)
    """`reviews.csv` → `reviews.scored.parquet`: ASCII letters, digits, '.', '_' and '-' only."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', plain).strip('._-')[:80] or 'texts'}.scored.{format}"


def _chunks(table: Table) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in table:
        chunk.append(row)
        size += row.size
        if len(chunk) >= CHUNK_ROWS or size >= CHUNK_CHARACTERS:
            yield chunk
            chunk = []
            size = 0
    if chunk:
        yield chunk


def _score(chunk: list[Row], column: int, scorer: Scorer, summary: Summary) -> list[list[Any]]:
    """The chunk's values, with the scores and the label after them."""
    rows = []
    for row in chunk:
        text = row.values[column]
        if text is None or text is MISSING or text == "":
            rows.append([*row.values, *NULLS])
            continue
        if not isinstance(text, str):
            raise WorkError(
                f"line {row.line}: the text is {json.dumps(text)[:50]}; should be a string or null"
            )
        if len(text) > MAX_TEXT:
            raise WorkError(
                f"line {row.line}: the text has {len(text):,} characters; should have at most {MAX_TEXT:,}"
            )
        scores = scorer.score(text)
        rows.append([*row.values, *scores, summary.add(scores)])
    return rows
