"""The command score."""

from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from web.cli.follow import POLL_SECONDS, follow, working
from web.cli.session import connect, json_option, outcome, output, print_json, priority_option
from web.client import Job

FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl"}
# What somebody who names a file of texts would call it.
TEXT_FILES = frozenset({".csv", ".jsonl", ".ndjson", ".parquet", ".tsv", ".txt"})
LABELS = ("positive", "neutral", "negative")
STYLES = {"positive": "green", "neutral": "yellow", "negative": "red"}


@click.command(short_help="Score the sentiment of texts, or of a file of them.")
@click.argument("what", metavar="FILE|TEXT...", nargs=-1, required=True)
@click.option("--column", help="The column of texts in FILE (CSV, JSONL); default: text.")
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Save the scored file; its suffix says how: .parquet, .csv or .jsonl.",
)  # fmt: skip
@click.option("--positive", type=float, help="From this compound score on, positive; default: 0.05.")
@click.option("--negative", type=float, help="Down from this compound score, negative; default: -0.05.")
@priority_option
@json_option
def score(
    what: tuple[str, ...],
    column: str | None,
    target: Path | None,
    positive: float | None,
    negative: float | None,
    priority: int | None,
    as_json: bool,
) -> int:
    """Score FILE (CSV, JSONL, or plain lines), or each TEXT, with NLTK's VADER."""
    file = _file(what)
    if file is None and (column is not None or target is not None):
        raise click.UsageError(f"{'--column' if column is not None else '-o'} is for a file, not for texts")
    format_ = None if target is None else _format(target)
    given = {"positive": positive, "negative": negative}
    thresholds = {key: value for key, value in given.items() if value is not None} or None
    with connect() as client:
        if file is None:
            job = client.score(what, thresholds=thresholds, priority=priority, wait=POLL_SECONDS)
        else:
            with working(f"uploading {file} …"):
                job = client.score(
                    file=file, column=column, format=format_, thresholds=thresholds, priority=priority
                )
        follow(job)
        if job.succeeded and target is not None:
            with working(f"saving {target} …"):
                job.download(scored_file(job), target)
        if as_json:
            print_json(job.raw)
        elif job.succeeded:
            show_texts(job, what) if file is None else show_file(job, target)
        return outcome(job)


def scored_file(job: Job) -> str:
    """The name of the artifact that holds the scores."""
    return str((job.result or {})["file"])


def _file(what: tuple[str, ...]) -> Path | None:
    """The file that is meant, or None if these are texts."""
    path = Path(what[0]).expanduser()
    if len(what) == 1 and len(what[0]) < 4_096 and path.is_file():
        return path
    if len(what) == 1 and path.suffix.lower() in TEXT_FILES and " " not in what[0]:
        raise click.UsageError(f"there is no file {what[0]}")
    return None


def _format(target: Path) -> str:
    try:
        found = FORMATS[target.suffix.lower()]
    except KeyError:
        raise click.UsageError(f"-o {target}: should end in {', '.join(FORMATS)}") from None
    if not target.absolute().parent.is_dir():
        raise click.UsageError(f"-o {target}: there is no folder {target.absolute().parent}")
    return found


def show_texts(job: Job, texts: tuple[str, ...]) -> None:
    """A table with a row for each text."""
    table = Table("text", "label", "compound", "neg", "neu", "pos")
    for text, row in zip(texts, (job.result or {})["scores"], strict=True):
        numbers = [f"{row[name]:.4f}" for name in ("compound", "neg", "neu", "pos")]
        table.add_row(escape(text), f"[{STYLES[row['label']]}]{row['label']}", *numbers)
    output().print(table)


def show_file(job: Job, target: Path | None) -> None:
    """Counts per label, the mean, and where the scored file is."""
    result = job.result or {}
    rows = sum(result["labels"].values())
    table = Table("label", "rows", "share")
    for label in LABELS:
        count = result["labels"][label]
        table.add_row(f"[{STYLES[label]}]{label}", f"{count:,}", f"{count / rows:.1%}" if rows else "–")
    console = output()
    console.print(table)
    if result["mean"] is not None:
        console.print(f"mean compound {result['mean']:.4f} of {rows:,} texts; {result['nulls']:,} were empty")
    where = (
        f"{target}"
        if target is not None
        else f"{job.link('page')} has it to download; `-o FILE` saves it at once"
    )
    console.print(f"scored file   {escape(where)}", soft_wrap=True)
