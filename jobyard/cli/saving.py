"""The command results: what came of a job, after the fact."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import click

from jobyard.cli.completers import complete_job
from jobyard.cli.follow import working
from jobyard.cli.outputs import atomic_text, check_printable, save
from jobyard.cli.predicted import write_table
from jobyard.cli.results import show_result
from jobyard.cli.session import connect, json_option, outcome, print_json
from jobyard.cli.targets import check_target, is_standard_output
from jobyard.client import Client, Job
from jobyard.client.errors import Json
from jobyard.client.formulas import escaped
from jobyard.client.job import SCORES_FORMATS
from jobyard.client.metric_history import POINT
from jobyard.client.parameters import given
from jobyard.client.sentiment import SCORES

SCORED, PREDICTED = "scored file", "predictions"
# By what rows are chosen and ordered.
CHOICES = {SCORED: {"label", "search", "sort"}, PREDICTED: {"label", "sort"}}


class Format(NamedTuple):
    """What a suffix means for a job, and what writes such a file."""

    what: str
    write: Callable[[Path], object]


class Selection(NamedTuple):
    """Which rows of a scored file, and whether formulas are escaped."""

    rows: dict[str, str]
    escape: bool


@click.command("results")
@click.argument("job_id", metavar="ID", shell_complete=complete_job)
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Save them as this file; its suffix says which and how: .csv, .parquet, .jsonl, .json, … - prints "
    "them to standard output, and nothing else.",
)  # fmt: skip
@click.option("--format", "format_", help="As a suffix of -o: csv, parquet, …; of -o - the default is csv.")
@click.option("--label", help="With -o, of a scored file or a prediction: only rows with this label.")
@click.option("--search", metavar="TEXT", help="With -o, of a scored file: only rows that contain this.")
@click.option(
    "--sort", metavar="COLUMN",
    help="With -o, of a scored file: in the order of this column; -COLUMN is the other way round. Of a "
    "prediction: probability, the least probable first.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@click.option(
    "--escape-formulas", is_flag=True,
    help="In a .csv, put an apostrophe before what a spreadsheet would run as a formula.",
)  # fmt: skip
@json_option
def results(
    job_id: str,
    target: Path | None,
    format_: str | None,
    label: str | None,
    search: str | None,
    sort: str | None,
    force: bool,
    escape_formulas: bool,
    as_json: bool,
) -> int:
    """Show or save the results of a job that has succeeded.

    Without -o, what its command showed at its end. ID is the beginning or the end of a job's id, at least 4
    characters, or @last for your newest job.
    """
    rows = given({"label": label, "search": search, "sort": sort})
    needing = {**rows, "format": format_, "escape-formulas": escape_formulas or None}
    if target is None:
        for name in given(needing):
            raise click.UsageError(f"--{name} needs -o")
    chosen = Selection(rows, escape_formulas)
    if target is not None:
        check_target(target, [], force=force)
    with connect() as client:
        job = client.job(job_id)
        if target is not None:
            _save(client, job, target, format_, chosen, force=force, as_json=as_json)
        if as_json:
            print_json(job.raw)
        elif target is None and job.succeeded:
            show_result(job)
            click.echo(f"save     {_offer(job, _formats(client, job, Selection({}, False)))}", err=True)
        if not job.done and target is None:
            raise click.ClickException(_not_yet(job))
        return outcome(job) if job.done else 0


def _save(
    client: Client,
    job: Job,
    target: Path,
    format_: str | None,
    chosen: Selection,
    *,
    force: bool,
    as_json: bool,
) -> None:
    formats = _formats(client, job, chosen)
    if not formats:
        raise click.ClickException(_not_yet(job) if not job.done else f"job {job.id} {job.state}: no results")
    known = (format_ or "").lower().lstrip(".") or _default(target, formats)
    if known not in formats:
        option = f"-o {target}" if format_ is None else f"--format {format_}"
        right = f"{_offer(job, formats)}{_why(job, known)}"
        raise click.UsageError(f"{option}: a {job.kind} job is saved by {right}")
    if others := chosen.rows.keys() - CHOICES.get(formats[known].what, set()):
        raise click.UsageError(f"--{min(others)} is not for {formats[known].what} of a {job.kind} job")
    if chosen.escape and known != "csv":
        raise click.UsageError("--escape-formulas needs a .csv file, as in -o results.csv")
    check_printable(target, known, as_json=as_json)
    may_last = formats[known].what == SCORED and not is_standard_output(target)
    with working(f"saving {target} …") if may_last else nullcontext():
        save(job, target, formats[known].write, known, force=force)
    if not is_standard_output(target) and not as_json:
        click.echo(f"{target}: {formats[known].what}")


def _default(target: Path, formats: Mapping[str, Format]) -> str:
    """By the suffix; of standard output, CSV where there is one."""
    if not is_standard_output(target):
        return target.suffix.lower().lstrip(".")
    return next(name for name in ("csv", "jsonl", "json", *formats) if name in formats)


def _offer(job: Job, formats: Mapping[str, Format]) -> str:
    which = ", ".join(f".{suffix} ({one.what})" for suffix, one in formats.items())
    return f"`jobyard results {job.id} -o FILE`, with {which}"


def _why(job: Job, format_: str) -> str:
    """Why a scored file can't be saved as what others can."""
    scored = Path(str((job.result or {}).get("file", ""))).suffix.lstrip(".")
    if job.kind != "sentiment" or format_ not in SCORES_FORMATS or scored in ("", "parquet"):
        return ""
    return (
        f"; it was scored as {scored}: score it again as Parquet, the default, for others and for chosen rows"
    )


def _not_yet(job: Job) -> str:
    return f"job {job.id} is {job.state} and has no results yet; `jobyard watch {job.id}` follows it"


def _formats(client: Client, job: Job, chosen: Selection) -> dict[str, Format]:
    """How the results of a job can be saved, by suffix."""
    formats: dict[str, Format] = {}
    result = job.result or {}
    if job.kind == "train":  # also of one that is running or that failed
        formats["csv"] = Format(
            "metrics", lambda path: _write_rows(path, POINT, job.metrics(), chosen.escape)
        )
        formats["png"] = Format("history", job.save_history)
    if not job.succeeded:
        return formats
    if job.kind in ("train", "register"):
        formats["keras"] = Format("model", lambda path: client.download_model(result["model"], path))
    elif job.kind == "export":
        formats |= _exported(client, job)
    elif job.kind == "predict":
        for suffix in ("csv", "parquet", "jsonl"):
            formats[suffix] = Format(PREDICTED, _table(job, suffix, chosen))
    elif job.kind == "sentiment":
        formats |= _scored(job, chosen)
    return formats | {"json": Format("result", lambda path: _write_json(path, result))}


def _scored(job: Job, chosen: Selection) -> dict[str, Format]:
    """Texts in their scores' table; a file as it was scored, or its rows in other formats."""
    result = job.result or {}
    if "file" in result:
        name = str(result["file"])
        own = Path(name).suffix.lstrip(".")
        others = SCORES_FORMATS if own == "parquet" else ()
        formats = {suffix: Format(SCORED, _rows(job, suffix, chosen)) for suffix in others}
        if not chosen.rows and not (own == "csv" and chosen.escape):
            formats[own] = Format(SCORED, lambda path: job.download(name, path))
        return formats
    both = zip(job.spec["texts"], result["scores"], strict=True)
    rows = [{"text": text, **{name: row[name] for name in SCORES}} for text, row in both]
    return {
        "csv": Format("scores", lambda path: _write_rows(path, ("text", *SCORES), rows, chosen.escape)),
        "jsonl": Format("scores", lambda path: _write_lines(path, rows)),
    }


def _rows(job: Job, format_: str, chosen: Selection) -> Callable[[Path], object]:
    return lambda path: job.save_scores(path, format=format_, escape_formulas=chosen.escape, **chosen.rows)


def _exported(client: Client, job: Job) -> dict[str, Format]:
    result = job.result or {}
    suffix = Path(result["file"]).suffix.lstrip(".")

    def write(path: Path) -> None:
        client.download_model(result["model"], path, format=result["format"], quantize=result["quantize"])

    return {suffix: Format("model", write)}


def _table(job: Job, format_: str, chosen: Selection) -> Callable[[Path], object]:
    return lambda path: write_table(job, path, format_, escape=chosen.escape, rows=chosen.rows)


def _write_rows(path: Path, columns: Sequence[str], rows: Iterable[Json], escape: bool) -> None:
    with atomic_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            fields = [row[name] for name in columns]
            writer.writerow(map(escaped, fields) if escape else fields)


def _write_lines(path: Path, rows: Iterable[Json]) -> None:
    with atomic_text(path) as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_json(path: Path, value: object) -> None:
    with atomic_text(path) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
