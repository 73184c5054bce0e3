"""The command predict."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import click

from jobyard.cli.completers import complete_model
from jobyard.cli.follow import follow, working
from jobyard.cli.outputs import check_printable, save
from jobyard.cli.pictures import Sent, matching, pictures_of
from jobyard.cli.pipes import STANDARD_INPUT
from jobyard.cli.predicted import print_lines, show_predictions, write_table
from jobyard.cli.session import connect, json_option, marks_options, outcome, priority_option
from jobyard.cli.targets import check_folder, check_target, is_standard_output
from jobyard.client import Job
from jobyard.client.errors import Json
from jobyard.client.uploads import PENDING


@click.command(short_help="Classify pictures with a trained model.")
@click.argument("model", shell_complete=complete_model)
@click.argument(
    "images",
    metavar="IMAGE|FOLDER|ARCHIVE...",
    nargs=-1,
    type=click.Path(path_type=Path),
)
@click.option("--dataset", help="Predict every picture of this data set instead.")
@click.option("--top", type=int, help="How many of the most probable classes to keep for each picture.")
@click.option(
    "--explain", is_flag=True, help="Save each picture with the regions marked that support its label."
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, allow_dash=True),
    help="Folder for the pictures of --explain; or - to print all rows to standard output, and nothing else.",
)
@click.option(
    "--csv",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Save all rows as this CSV file; - is standard output.",
)
@click.option(
    "--format", "format_", type=click.Choice(["csv", "jsonl"]), help="What -o - prints; default: csv."
)
@click.option(
    "--escape-formulas", is_flag=True,
    help="In the CSV file, put an apostrophe before what a spreadsheet would run as a formula.",
)  # fmt: skip
@click.option(
    "--force", is_flag=True, help="Overwrite the file of --csv, and pictures in -o, that are there already."
)
@marks_options("--name", "--job-name")
@priority_option
@json_option
def predict(
    model: str,
    images: tuple[Path, ...],
    dataset: str | None,
    top: int | None,
    explain: bool,
    folder: Path | None,
    csv: Path | None,
    format_: str | None,
    escape_formulas: bool,
    force: bool,
    priority: int | None,
    marks: Json,
    as_json: bool,
) -> int:
    """Classify IMAGEs, or all files in a FOLDER or an ARCHIVE (zip, tar), with MODEL: a name,
    name@version, name@alias or id. The IMAGE - is standard input.

    Every file is a row, in the order of their paths; one that can't be read has the reason instead of a
    label. Hidden files in folders are left out.
    """
    if bool(images) == (dataset is not None):
        raise click.UsageError("give either pictures or --dataset")
    wanted = _wanted(folder, csv, format_, explain, escape_formulas, force, as_json)
    images = matching(images)
    with ExitStack() as opened:
        if STANDARD_INPUT.intersection(map(str, images)):  # which may take long to read
            wanted.check([])
        sent = pictures_of(images, Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="jobyard-"))))
        wanted.check([*images, *sent.files.values()])
        client = opened.enter_context(connect())
        if explain and len(sent.files) > 1:  # of a zip, only its job would find out how many they are
            client.check("predict", {"model": model, "images": [PENDING] * len(sent.files), "explain": True})
        with (
            working(f"uploading {sent.description} …" if images else "submitting …"),
            sent.source() as source,
        ):
            job = client.predict(
                model, dataset=dataset, top=top, explain=explain or None, priority=priority, **marks, **source
            )
        follow(job)
        if job.succeeded:
            wanted.show(job, sent)
        return outcome(job)


class _Wanted(NamedTuple):
    """What is to be saved and printed: the explained pictures in `folder`, and `table`, as `option` says."""

    folder: Path | None
    table: Path | None
    option: str
    format: str
    escape: bool
    force: bool
    as_json: bool

    def check(self, sources: Sequence[Path]) -> None:
        """Raises UsageError for what can't be written, or would overwrite what it should not."""
        if self.folder is not None:
            _check_overlays(self.folder, sources, force=self.force)
        if self.table is not None:
            check_target(self.table, sources, force=self.force, option=self.option)

    def show(self, job: Job, sent: Sent) -> None:
        """Save and print it."""
        called = sent.called()

        def write(path: Path) -> None:
            write_table(job, path, self.format, called, escape=self.escape)

        if self.table is not None:
            save(job, self.table, write, self.format, force=self.force, option=self.option)
        if self.folder is not None:
            _save_overlays(job, self.folder)
        if self.as_json:
            print_lines(job, called)
        elif self.table is None or not is_standard_output(self.table):
            show_predictions(job, sent.named(job.predictions()))


def _wanted(
    output: Path | None,
    csv: Path | None,
    format_: str | None,
    explain: bool,
    escape: bool,
    force: bool,
    as_json: bool,
) -> _Wanted:
    """Raises UsageError where options don't fit."""
    folder, table, option = output, csv, "--csv"
    if output is not None and is_standard_output(output):
        if csv is not None:
            raise click.UsageError(f"give either -o {output} or --csv; `jobyard results` saves the other")
        folder, table, option = None, output, "-o"
    elif format_ is not None:
        raise click.UsageError("--format is for -o -")
    if folder is not None and not explain:
        raise click.UsageError("-o needs --explain, or should be -")
    if escape and (table is None or format_ == "jsonl"):
        raise click.UsageError("--escape-formulas needs --csv")
    if table is not None and table.suffix.lower() == ".parquet":
        raise click.UsageError(
            f"--csv {table}: should be the name of a CSV file; `jobyard results ID -o {table}` saves Parquet"
        )
    if table is not None:
        check_printable(table, format_ or "csv", as_json=as_json, option=option)
    return _Wanted(folder, table, option, format_ or "csv", escape, force, as_json)


def _check_overlays(folder: Path, sources: Sequence[Path], *, force: bool) -> None:
    """Raises UsageError where pictures can't be written, or would overwrite others."""
    check_folder(folder)
    # How many there will be, only the job of an archive would find out.
    there = sorted(folder.glob("overlay-*.png"))
    if not there:
        return
    read = {_identity(source) for source in sources if source.exists()}
    for picture in there:
        if _identity(picture) in read:
            raise click.UsageError(f"-o {folder}: {picture.name} is a file that is read; name another folder")
    if not force:
        raise click.UsageError(f"-o {folder}: {there[0].name} is there already; --force overwrites it")


def _identity(path: Path) -> tuple[int, int]:
    """The same for all links to a file."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _save_overlays(job: Job, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for row in job.predictions():
        if row["overlay"]:
            job.download(row["overlay"], folder / row["overlay"])
    click.echo(f"jobyard: the explained pictures are in {folder}", err=True)
