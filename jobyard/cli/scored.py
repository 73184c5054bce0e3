"""What was scored, for people: texts in a table, a file in short."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobyard.cli.dialects import show_read_as
from jobyard.cli.session import output
from jobyard.client import Job, reading, unseen
from jobyard.client.errors import Json
from jobyard.client.explanations import reasons, that_matter
from jobyard.client.lines import on_a_line
from jobyard.client.sentiment import LABELS

SHOWN_ERRORS = 5
SHOWN_ROWS = 3
STYLES = {"positive": "green", "neutral": "yellow", "negative": "red"}


def show_texts(job: Job, texts: tuple[str, ...]) -> None:
    """A table with a row for each text, and below it what each word added where that was asked for."""
    table = Table("text", "label", "compound", "neg", "neu", "pos")
    rows = (job.result or {})["scores"]
    for text, row in zip(texts, rows, strict=True):
        numbers = [f"{row[name]:.4f}" for name in ("compound", "neg", "neu", "pos")]
        table.add_row(escape(on_a_line(text)), f"[{STYLES[row['label']]}]{row['label']}", *numbers)
    console = output()
    console.print(table)
    for text, row in zip(texts, rows, strict=True):
        if "words" in row and (telling := that_matter(row["words"])):
            console.print(_why(row.get("scored_as") or text, row, telling))
    _show_unseen(console, job)


def _why(text: str, row: Json, telling: list[Json]) -> Table:
    """What each word and the punctuation add, and their sum."""
    table = Table("word", "adds", "why", title=escape(on_a_line(text)[:80]), title_justify="left")
    for word in telling:
        table.add_row(escape(word["word"]), f"{word['score']:+.4f}", escape(reasons(word)))
    if row["punctuation"]:
        table.add_row("! ?", f"{row['punctuation']:+.4f}", "")
    total = sum(word["score"] for word in row["words"]) + row["punctuation"]
    table.add_section()
    table.add_row("sum", f"{total:+.4f}", f"compound {row['compound']:+.4f}")
    return table


def show_file(job: Job, target: Path | None) -> None:
    """Counts per label, mean and deviation, what was left out, the extremes, and where the scored file is."""
    result = job.result or {}
    rows = sum(result["labels"].values())
    table = Table("label", "rows", "share")
    for label in LABELS:
        count = result["labels"][label]
        table.add_row(f"[{STYLES[label]}]{label}", f"{count:,}", f"{count / rows:.1%}" if rows else "–")
    console = output()
    console.print(table)
    texts = "1 text" if rows == 1 else f"{rows:,} texts"
    if result["mean"] is not None:
        spread = f" ± {result['std']:.4f}" if result.get("std") is not None else ""
        console.print(f"mean compound {result['mean']:.4f}{spread} of {texts}; {result['nulls']:,} empty")
    else:
        console.print(f"{texts}; {result['nulls']:,} empty")
    for name in ("most_positive", "most_negative"):
        for row in result.get(name, [])[:SHOWN_ROWS]:
            text = on_a_line(row["text"])
            console.print(
                f"{name.replace('_', ' ')}  {row['compound']:+.4f}  {escape(text)}",
                no_wrap=True,
                overflow="ellipsis",
            )
    if result.get("group_by") is not None:
        console.print(
            f"groups        {result['groups']:,} of {escape(result['group_by'])}, see {job.link('page')}",
            soft_wrap=True,
        )
    _show_unseen(console, job)
    show_read_as(console, result)
    _show_errors(console, result)
    scored = Path(str(result["file"]))
    later = f"`jobyard results {job.id} -o FILE{scored.suffix}` saves it, as does {job.link('page')}"
    where = f"{target}" if target is not None else later
    console.print(f"scored file   {escape(where)}", soft_wrap=True)


def _show_unseen(console: Console, job: Job) -> None:
    found = (job.result or {}).get("unseen")
    if found is None:  # a job of a version that didn't look
        return
    if (seen := unseen.kinds(found)) and job.raw["spec"].get("normalize") == "none":
        console.print(f"[yellow]VADER doesn't see {seen}: use --normalize standard to score them as words")
    elif seen:
        console.print(f"put into words: {seen}")
    if foreign := unseen.foreign(found):
        console.print(f"[yellow]{foreign}")


def _show_errors(console: Console, result: Json) -> None:
    report = result.get("errors") or {"count": 0, "first": []}
    if report["count"]:
        rows = "1 broken row was" if report["count"] == 1 else f"{report['count']:,} broken rows were"
        console.print(f"[yellow]{rows} skipped:")
    for found in report["first"][:SHOWN_ERRORS]:
        where = reading.place(result.get("read_as") or {}, found)
        console.print(f"  {escape(on_a_line(where + ': ' + found['error']))}", soft_wrap=True)
    if report["count"] > SHOWN_ERRORS:
        console.print("  …")
