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
from jobyard.cli.outputs import check_printable, save, whole
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


class Way(NamedTuple):
    """What a suffix means for a job, and what writes such a file."""

    what: str
    write: Callable[[Path], object]


class Asked(NamedTuple):
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
    asked = Asked(rows, escape_formulas)
    if target is not None:
        check_target(target, [], force=force)
    with connect() as client:
        job = client.job(job_id)
        if target is not None:
            _save(client, job, target, format_, asked, force=force, as_json=as_json)
        if as_json:
            print_json(job.raw)
        elif target is None and job.succeeded:
            show_result(job)
            click.echo(f"save     {_offer(job, _ways(client, job, Asked({}, False)))}", err=True)
        if not job.done and target is None:
            raise click.ClickException(_not_yet(job))
        return outcome(job) if job.done else 0


def _save(
    client: Client,
    job: Job,
    target: Path,
    format_: str | None,
    asked: Asked,
    *,
    force: bool,
    as_json: bool,
) -> None:
    ways = _ways(client, job, asked)
    if not ways:
        raise click.ClickException(_not_yet(job) if not job.done else f"job {job.id} {job.state}: no results")
    known = (format_ or "").lower().lstrip(".") or _default(target, ways)
    if known not in ways:
        option = f"-o {target}" if format_ is None else f"--format {format_}"
        raise click.UsageError(f"{option}: a {job.kind} job is saved by {_offer(job, ways)}")
    if others := asked.rows.keys() - CHOICES.get(ways[known].what, set()):
        raise click.UsageError(f"--{min(others)} is not for {ways[known].what} of a {job.kind} job")
    if asked.escape and known != "csv":
        raise click.UsageError("--escape-formulas needs a .csv file, as in -o results.csv")
    check_printable(target, known, as_json=as_json)
    may_last = ways[known].what == SCORED and not is_standard_output(target)
    with working(f"saving {target} …") if may_last else nullcontext():
        save(job, target, ways[known].write, known, force=force)
    if not is_standard_output(target) and not as_json:
        click.echo(f"{target}: {ways[known].what}")


def _default(target: Path, ways: Mapping[str, Way]) -> str:
    """By the suffix; of standard output, CSV where there is one."""
    if not is_standard_output(target):
        return target.suffix.lower().lstrip(".")
    return next(name for name in ("csv", "jsonl", "json", *ways) if name in ways)


def _offer(job: Job, ways: Mapping[str, Way]) -> str:
    which = ", ".join(f".{suffix} ({way.what})" for suffix, way in ways.items())
    return f"`jobyard results {job.id} -o FILE`, with {which}"


def _not_yet(job: Job) -> str:
    return f"job {job.id} is {job.state} and has no results yet; `jobyard watch {job.id}` follows it"


def _ways(client: Client, job: Job, asked: Asked) -> dict[str, Way]:
    """How the results of a job can be saved, by suffix."""
    ways: dict[str, Way] = {}
    result = job.result or {}
    if job.kind == "train":  # also of one that is running or that failed
        ways["csv"] = Way("metrics", lambda path: _write_rows(path, POINT, job.metrics(), asked.escape))
        ways["png"] = Way("history", job.save_history)
    if not job.succeeded:
        return ways
    if job.kind in ("train", "register"):
        ways["keras"] = Way("model", lambda path: client.download_model(result["model"], path))
    elif job.kind == "export":
        ways |= _exported(client, job)
    elif job.kind == "predict":
        for suffix in ("csv", "parquet", "jsonl"):
            ways[suffix] = Way(PREDICTED, _table(job, suffix, asked))
    elif job.kind == "sentiment":
        ways |= _scored(job, asked)
    return ways | {"json": Way("result", lambda path: _write_json(path, result))}


def _scored(job: Job, asked: Asked) -> dict[str, Way]:
    """Texts in their scores' table; a file as it was scored, or its rows in other formats."""
    result = job.result or {}
    if "file" in result:
        name = str(result["file"])
        own = Path(name).suffix.lstrip(".")
        ways = {
            suffix: Way(SCORED, _rows(job, suffix, asked)) for suffix in SCORES_FORMATS if own == "parquet"
        }
        if not asked.rows and not (own == "csv" and asked.escape):
            ways[own] = Way(SCORED, lambda path: job.download(name, path))
        return ways
    both = zip(job.spec["texts"], result["scores"], strict=True)
    rows = [{"text": text, **{name: row[name] for name in SCORES}} for text, row in both]
    return {
        "csv": Way("scores", lambda path: _write_rows(path, ("text", *SCORES), rows, asked.escape)),
        "jsonl": Way("scores", lambda path: _write_lines(path, rows)),
    }


def _rows(job: Job, format_: str, asked: Asked) -> Callable[[Path], object]:
    return lambda path: job.save_scores(path, format=format_, escape_formulas=asked.escape, **asked.rows)


def _exported(client: Client, job: Job) -> dict[str, Way]:
    result = job.result or {}
    suffix = Path(result["file"]).suffix.lstrip(".")

    def write(path: Path) -> None:
        client.download_model(result["model"], path, format=result["format"], quantize=result["quantize"])

    return {suffix: Way("model", write)}


def _table(job: Job, format_: str, asked: Asked) -> Callable[[Path], object]:
    return lambda path: write_table(job, path, format_, escape=asked.escape, rows=asked.rows)


def _write_rows(path: Path, columns: Sequence[str], rows: Iterable[Json], escape: bool) -> None:
    with whole(path) as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            fields = [row[name] for name in columns]
            writer.writerow(map(escaped, fields) if escape else fields)


def _write_lines(path: Path, rows: Iterable[Json]) -> None:
    with whole(path) as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_json(path: Path, value: object) -> None:
    with whole(path) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
