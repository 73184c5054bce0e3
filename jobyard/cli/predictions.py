"""The command predict."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.markup import escape
from rich.table import Table

from jobyard.cli.follow import follow, working
from jobyard.cli.pipes import STANDARD_INPUT, copied, standard_input
from jobyard.cli.session import (
    connect,
    json_option,
    marks_options,
    outcome,
    output,
    print_json,
    priority_option,
)
from jobyard.cli.sources import ARCHIVES
from jobyard.cli.targets import check_folder, check_target
from jobyard.client import Job, JobyardClientError
from jobyard.client.errors import Json
from jobyard.client.packing import files_in, named, packed
from jobyard.client.uploads import PENDING

MAX_ROWS = 50


@click.command(short_help="Classify pictures with a trained model.")
@click.argument("model")
@click.argument(
    "images",
    metavar="IMAGE|FOLDER|ARCHIVE...",
    nargs=-1,
    type=click.Path(path_type=Path, exists=True, allow_dash=True),
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
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the pictures of --explain.",
)
@click.option(
    "--csv", type=click.Path(path_type=Path, dir_okay=False), help="Save all rows as this CSV file."
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
    with ExitStack() as opened:
        sent = _sent(images, Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="jobyard-"))))
        _check_targets(folder, csv, [*images, *sent.files.values()], explain, escape_formulas, force)
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
            if csv is not None:
                job.save_predictions(csv, escape_formulas=escape_formulas)
            if folder is not None:
                _save_overlays(job, folder)
            rows = sent.named(job.predictions())
            if as_json:
                for row in rows:
                    print_json(_line(row))
            else:
                show_predictions(job, rows)
        return outcome(job)


def _check_targets(
    folder: Path | None, csv: Path | None, sources: list[Path], explain: bool, escape: bool, force: bool
) -> None:
    """Raises UsageError where what is to be saved isn't made, or can't be written."""
    if folder is not None:
        if not explain:
            raise click.UsageError("-o needs --explain")
        check_folder(folder)
        # How many there will be, only the job of an archive would find out.
        if not force and (there := sorted(folder.glob("overlay-*.png"))):
            raise click.UsageError(f"-o {folder}: {there[0].name} is there already; --force overwrites it")
    if csv is not None:
        check_target(csv, sources, force=force, option="--csv")
    elif escape:
        raise click.UsageError("--escape-formulas needs --csv")


class Sent(NamedTuple):
    """What travels: an archive as it is, or files by the paths that their rows have, or nothing.

    `given` is what the user calls the copy of a pipe.
    """

    archive: Path | None
    files: Mapping[str, Path]
    given: Mapping[Path, Path] = {}

    @property
    def description(self) -> str:
        if self.archive is None and len(self.files) != 1:
            return f"{len(self.files):,} files"
        return str(self.archive or self._shown(next(iter(self.files.values()))))

    @contextmanager
    def source(self) -> Iterator[dict[str, Any]]:
        """What `Client.predict` is to be given: one picture alone, or a zip of all."""
        if self.archive is not None or not self.files:
            yield {"archive": self.archive}
        elif len(self.files) == 1:
            yield {"images": list(self.files.values())}
        else:
            with packed(self.files, "pictures") as archive:
                yield {"archive": archive}

    def named(self, rows: Iterator[Json]) -> Iterator[Json]:
        """The rows, each picture by the path that was given; those of an archive by their names in there."""
        if len(self.files) == 1:
            (path,) = self.files.values()
            return ({**row, "image": str(self._shown(path))} for row in rows)
        files = {name: self._shown(path) for name, path in self.files.items()}
        return ({**row, "image": str(files.get(row["image"], row["image"]))} for row in rows)

    def _shown(self, path: Path) -> Path:
        return self.given.get(path, path)


def _sent(images: tuple[Path, ...], folder: Path) -> Sent:
    """What is to be sent; pipes are copied to `folder`. Raises UsageError, and ClickException."""
    if len(images) == 1 and images[0].is_file() and images[0].name.lower().endswith(ARCHIVES):
        return Sent(images[0], {})
    pipes = [path for path in images if str(path) in STANDARD_INPUT or not (path.is_file() or path.is_dir())]
    copies = {_copy(path, folder): path for path in dict.fromkeys(pipes)}
    there = [path for path in images if path not in pipes]
    try:
        files = files_in(there)
    except JobyardClientError as error:
        raise click.ClickException(str(error)) from None
    if there and not files:
        raise click.UsageError(f"there are no pictures in {', '.join(map(str, images))}")
    names = named(files, there)
    return Sent(None, names | {f"{copy.name}-{n}": copy for n, copy in enumerate(copies, 1)}, copies)


def _copy(pipe: Path, folder: Path) -> Path:
    return standard_input(folder, "a picture") if str(pipe) in STANDARD_INPUT else copied(pipe, folder)


def _save_overlays(job: Job, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for row in job.predictions():
        if row["overlay"]:
            job.download(row["overlay"], folder / row["overlay"])
    click.echo(f"jobyard: the explained pictures are in {folder}", err=True)


def _line(row: Json) -> Json:
    line = {key: row[key] for key in ("image", "label", "probability", "probabilities")}
    return line | {"error": row["error"]} if row["error"] else line


def show_predictions(job: Job, rows: Iterator[Json]) -> None:
    """A table of the first answers."""
    table = Table("picture", "label", "probability")
    count = 0
    for count, row in enumerate(rows, start=1):
        if count > MAX_ROWS:
            break
        if row["error"]:
            table.add_row(escape(row["image"]), "[red]–", escape(row["error"]))
        else:
            table.add_row(escape(row["image"]), escape(row["label"]), f"{row['probability']:.4f}")
    console = output()
    console.print(table)
    if count > MAX_ROWS:
        total = (job.result or {}).get("count")
        console.print(
            f"only the first {MAX_ROWS} of {total} are shown; for all, see {job.link('page')} or use --json",
            soft_wrap=True,
        )
