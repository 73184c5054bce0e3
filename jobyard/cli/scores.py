"""The command score."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobyard.cli.dialects import dialect_options, fields_of, show_read_as
from jobyard.cli.follow import POLL_SECONDS, follow, working
from jobyard.cli.pipes import STANDARD_INPUT
from jobyard.cli.session import (
    connect,
    json_option,
    marks_options,
    on_a_line,
    outcome,
    output,
    print_json,
    priority_option,
)
from jobyard.cli.tables import tables_of
from jobyard.cli.targets import check_target
from jobyard.client import Job, reading, unseen
from jobyard.client.errors import Json
from jobyard.client.explanations import reasons, that_matter

FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl"}
SHOWN_ERRORS = 5
SHOWN_ROWS = 3
LABELS = ("positive", "neutral", "negative")
# Of fields of the spec that are called otherwise on the command line.
OPTIONS = {"null_values": "null_value"}
STYLES = {"positive": "green", "neutral": "yellow", "negative": "red"}


@click.command(short_help="Score the sentiment of texts, or of a file of texts.")
@click.argument("what", metavar="FILE|TEXT...", nargs=-1, required=True)
@dialect_options
@click.option("--sheet", metavar="NAME", help="The sheet of a workbook; default: the one with the column.")
@click.option("--encoding", metavar="NAME", help="FILE's encoding; default: utf-8.")
@click.option(
    "--errors", type=click.Choice(["fail", "skip"]),
    help="Fail at a broken row of FILE (default), or skip and report it.",
)  # fmt: skip
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Save the scored file; the suffix sets its format: .parquet, .csv or .jsonl.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="With -o: overwrite a file that is there, but no source.")
@click.option(
    "--text", "as_texts", is_flag=True, help="Take what looks like the name of a file for a text, too."
)
@click.option(
    "--escape-formulas", is_flag=True, default=None,
    help="In a .csv, put an apostrophe before what a spreadsheet would run as a formula.",
)  # fmt: skip
@click.option("--positive", type=float, help="Least compound score of a positive text; default: 0.05.")
@click.option("--negative", type=float, help="Greatest compound score of a negative text; default: -0.05.")
@click.option(
    "--lexicon", "lexicon_file", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
    help='Your own words with valences from -4 to 4: a JSON file like {"sick": 2.1}.',
)  # fmt: skip
@click.option(
    "--word",
    "words",
    multiple=True,
    metavar="WORD=VALENCE",
    help="One of your own words or emoji; may be repeated.",
)
@click.option(
    "--normalize", type=click.Choice(["none", "standard"]),
    help="standard: emoji become words, curly quotes straight ones, HTML its text; default: none.",
)  # fmt: skip
@click.option("--explain", is_flag=True, help="For TEXTs: show what each word adds to the score, and why.")
@marks_options("--name", "--job-name")
@priority_option
@json_option
def score(
    what: tuple[str, ...],
    target: Path | None,
    force: bool,
    as_texts: bool,
    positive: float | None,
    negative: float | None,
    lexicon_file: Path | None,
    words: tuple[str, ...],
    normalize: str | None,
    explain: bool,
    priority: int | None,
    marks: Json,
    as_json: bool,
    **of_file: Any,
) -> int:
    """Score FILE (CSV, TSV, JSON, Parquet, a workbook or plain lines, also packed), or each TEXT, with NLTK's
    VADER. FILE is a path, a folder, a pattern, - for standard input, or an address (https://…, s3://…) that
    the server fetches it from; several are scored as one.
    """
    if target is not None and STANDARD_INPUT.intersection(what):  # which may take long to read
        _format(target)
        check_target(target, [], force=force)
    files = click.get_current_context().with_resource(tables_of(what, as_texts=as_texts))
    _check_options(files, {**of_file, "output": target}, explain)
    if of_file["escape_formulas"] and (target is None or _format(target) != "csv"):
        raise click.UsageError("--escape-formulas needs a .csv file, as in -o scored.csv")
    if target is not None:
        _format(target)
        check_target(target, [file for file in files if isinstance(file, Path)], force=force)
    given = {"positive": positive, "negative": negative}
    spec: Json = {
        "thresholds": {key: value for key, value in given.items() if value is not None} or None,
        "lexicon": _own_words(lexicon_file, words) or None,
        "normalize": normalize,
        "explain": explain or None,
    }
    if files:
        spec |= fields_of(of_file)
        spec["format"] = None if target is None else _format(target)
    with connect() as client:
        if not files:
            job = client.score(what, priority=priority, wait=POLL_SECONDS, **marks, **spec)
        else:
            given_files = {"file": files[0]} if len(files) == 1 else {"files": files}
            with _uploading([file for file in files if isinstance(file, Path)], what):
                job = client.score(**given_files, priority=priority, **marks, **spec)
        follow(job)
        if job.succeeded and target is not None:
            with working(f"saving {target} …"):
                job.download(scored_file(job), target)
        if as_json:
            print_json(job.raw)
        elif job.succeeded:
            show_file(job, target) if files else show_texts(job, what)
        return outcome(job)


def _uploading(files: Sequence[Path], what: Sequence[str]) -> AbstractContextManager[object]:
    """Says so while these are sent, if there are any."""
    return working(f"uploading {_shown(files, what)} …") if files else nullcontext()


def _shown(files: Sequence[Path], what: Sequence[str]) -> str:
    """What is uploaded, as it was given: a pipe and standard input are copies in a folder of their own."""
    if len(files) > 1:
        return f"{len(files):,} files"
    return "standard input" if STANDARD_INPUT.intersection(what) else str(files[0])


def _check_options(files: Sequence[Path | str], of_file: Mapping[str, object], explain: bool) -> None:
    """Raises UsageError at an option that is for the other kind of source."""
    if files:
        if explain:
            raise click.UsageError("--explain is for texts, not for a file")
        return
    for name, value in of_file.items():
        if value is not None and value != ():
            option = "-o" if name == "output" else f"--{OPTIONS.get(name, name).replace('_', '-')}"
            raise click.UsageError(f"{option} is for a file, not for texts")


def _own_words(file: Path | None, words: tuple[str, ...]) -> dict[str, float]:
    """Of the file, and over them those of the command line. Raises UsageError."""
    found: dict[str, float] = {}
    if file is not None:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise click.UsageError(f"--lexicon {file}: can't be read: {error.strerror}") from None
        except ValueError as error:  # not UTF-8, or not JSON
            raise click.UsageError(f"--lexicon {file}: is not JSON: {error}") from None
        if not isinstance(found, dict):
            raise click.UsageError(f'--lexicon {file}: should be an object, as {{"sick": 2.1}}')
    for pair in words:
        word, _, valence = pair.rpartition("=")
        try:
            found[word] = float(valence)
        except ValueError:
            word = ""
        if not word or not math.isfinite(found[word]):
            raise click.UsageError(f"--word {pair}: should be a word and its valence, as sick=2.1")
    return found


def scored_file(job: Job) -> str:
    """The name of the artifact that holds the scores."""
    return str((job.result or {})["file"])


def _format(target: Path) -> str:
    try:
        found = FORMATS[target.suffix.lower()]
    except KeyError:
        raise click.UsageError(f"-o {target}: should end in {', '.join(FORMATS)}") from None
    return found


def show_texts(job: Job, texts: tuple[str, ...]) -> None:
    """A table with a row for each text, and below it what each word added where that was asked for."""
    table = Table("text", "label", "compound", "neg", "neu", "pos")
    rows = (job.result or {})["scores"]
    for text, row in zip(texts, rows, strict=True):
        numbers = [f"{row[name]:.4f}" for name in ("compound", "neg", "neu", "pos")]
        table.add_row(escape(text), f"[{STYLES[row['label']]}]{row['label']}", *numbers)
    console = output()
    console.print(table)
    for text, row in zip(texts, rows, strict=True):
        if "words" in row and (telling := that_matter(row["words"])):
            console.print(_why(row.get("scored_as") or text, row, telling))
    _show_unseen(console, job)


def _why(text: str, row: Json, telling: list[Json]) -> Table:
    """What each word and the punctuation add, and their sum."""
    table = Table("word", "adds", "why", title=escape(text[:80]), title_justify="left")
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
    where = f"{target}" if target is not None else f"download it from {job.link('page')}, or use -o FILE"
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
