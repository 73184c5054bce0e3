"""What came of a prediction, each picture by the path that was given: a table for people, a file, JSON."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from rich.markup import escape
from rich.table import Table

from jobyard.cli.outputs import atomic_text
from jobyard.cli.pictures import Called, as_it_is
from jobyard.cli.session import output, print_json
from jobyard.client import Job
from jobyard.client.errors import Json
from jobyard.client.libraries import translated
from jobyard.client.lines import on_a_line
from jobyard.client.saved_predictions import write_renamed

MAX_ROWS = 50
NO_CHOICE: Final[Mapping[str, str]] = {}


def write_table(
    job: Job,
    path: Path,
    format_: str,
    called: Called = as_it_is,
    *,
    escape: bool = False,
    rows: Mapping[str, str] = NO_CHOICE,
) -> None:
    """Write rows to a file: csv, jsonl or parquet, which has the names of the server.

    `rows` is which of them and their order, as `Job.predictions` has it.
    """
    if format_ == "jsonl":
        with atomic_text(path) as file:
            for row in job.predictions(**rows):
                line = _line({**row, "image": called(row["image"])})
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    elif called is as_it_is or format_ == "parquet":
        job.save_predictions(path, format=format_, escape_formulas=escape, **rows)
    else:
        _write_renamed(job, path, called, is_escaped=escape)


def print_lines(job: Job, called: Called = as_it_is) -> None:
    """A line of JSON for each picture."""
    for row in job.predictions():
        print_json(_line({**row, "image": called(row["image"])}))


def _write_renamed(job: Job, path: Path, called: Called, *, is_escaped: bool) -> None:
    """The server's CSV with other names of pictures."""
    with tempfile.TemporaryDirectory(prefix="jobyard-") as folder:
        theirs = job.save_predictions(Path(folder) / "predictions.csv", escape_formulas=False)
        with (
            theirs.open(encoding="utf-8", errors="surrogateescape", newline="") as source,
            atomic_text(path) as file,
            translated(f"{path} can't be written with the names that were given"),
        ):
            write_renamed(source, file, called, is_escaped=is_escaped)


def _line(row: Json) -> Json:
    line = {key: row[key] for key in ("image", "label", "probability", "probabilities")}
    return line | {"error": row["error"]} if row["error"] else line


def _cell(text: str) -> str:
    return escape(on_a_line(text))


def show_predictions(job: Job, rows: Iterator[Json]) -> None:
    """A table of the first answers."""
    table = Table("picture", "label", "probability")
    count = 0
    for count, row in enumerate(rows, start=1):
        if count > MAX_ROWS:
            break
        if row["error"]:
            table.add_row(_cell(row["image"]), "[red]–", _cell(row["error"]))
        else:
            table.add_row(_cell(row["image"]), _cell(row["label"]), f"{row['probability']:.4f}")
    console = output()
    console.print(table)
    if count > MAX_ROWS:
        total = (job.result or {}).get("count")
        console.print(
            f"only the first {MAX_ROWS} of {total} are shown; for all, see {job.link('page')} or use --json",
            soft_wrap=True,
        )
