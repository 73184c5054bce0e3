"""Scoring a file of texts, in memory that doesn't grow with the file."""

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from shared.errors import WorkError
from shared.specs import SentimentSpec
from workers.report import Report
from workers.sentiment.readers import MISSING, Row, Table, open_table
from workers.sentiment.scorer import Scorer
from workers.sentiment.summary import Summary
from workers.sentiment.writers import SCORE_COLUMNS, open_writer

# A chunk ends at whichever comes first: well under a second of scoring.
CHUNK_ROWS = 2_000
CHUNK_CHARACTERS = 500_000

# VADER is made for sentences. NLTK's memory grows with a text's different words: 1 kB a character at worst.
MAX_TEXT = 200_000

NULLS = [None] * len(SCORE_COLUMNS)


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
    report.phase("reading")
    table = open_table(source, name, spec.column)
    rows = _check(table, report)
    column = table.choose(spec.column)
    index = table.columns.index(column)

    report.phase("scoring")
    summary = Summary(spec.thresholds)
    done = 0
    try:
        with open_writer(spec.format, output, table.columns) as writer:
            for chunk in _chunks(table):
                writer.write(_score(chunk, index, scorer, summary))
                done += len(chunk)
                report.progress(done, rows, "rows")
    except BaseException:
        output.unlink(missing_ok=True)
        raise
    return {
        "rows": done,
        "nulls": done - sum(summary.labels.values()),
        "labels": summary.labels,
        "mean": summary.mean,
        "histogram": summary.histogram,
        "file": scored_name(name, spec.format),
        "format": spec.format,
        "column": column,
        "lexicon": {"sha256": scorer.sha256},
    }


def scored_name(name: str, format: str) -> str:  # noqa: A002 (the spec's word)
    """`reviews.csv` → `reviews.scored.parquet`: ASCII letters, digits, '.', '_' and '-' only."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', plain).strip('._-')[:80] or 'texts'}.scored.{format}"


def _check(table: Table, report: Report) -> int:
    """Read every row once; returns how many there are."""
    rows = 0
    for chunk in _chunks(table):
        rows += len(chunk)
        report.check()
    if not rows:
        raise WorkError("the file has no rows")
    return rows


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
