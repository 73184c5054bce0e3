"""The command predict."""

import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from jobyard.cli.follow import follow, working
from jobyard.cli.session import connect, json_option, outcome, output, print_json, priority_option
from jobyard.cli.sources import ARCHIVES
from jobyard.client import Job
from jobyard.client.errors import Json

PICTURES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"})
# More pictures than these travel in one zip.
MAX_UPLOADS = 100
MAX_ROWS = 50


@click.command(short_help="Classify pictures with a trained model.")
@click.argument("model")
@click.argument(
    "images", metavar="IMAGE|FOLDER|ARCHIVE...", nargs=-1, type=click.Path(path_type=Path, exists=True)
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
    priority: int | None,
    as_json: bool,
) -> int:
    """Classify IMAGEs, or all pictures in a FOLDER or an ARCHIVE (zip, tar), with MODEL: a name,
    name@version, name@alias or id.
    """
    if bool(images) == (dataset is not None):
        raise click.UsageError("give either pictures or --dataset")
    if folder is not None and not explain:
        raise click.UsageError("-o needs --explain")
    if csv is not None and not csv.absolute().parent.is_dir():
        raise click.UsageError(f"there is no folder {csv.parent} for {csv.name}")
    sent = _sent(images)
    with connect() as client:
        with (
            working(f"uploading {sent.description} …" if images else "submitting …"),
            sent.packed() as source,
        ):
            job = client.predict(
                model, dataset=dataset, top=top, explain=explain or None, priority=priority, **source
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


@dataclass(frozen=True)
class Sent:
    """How pictures travel: an archive as it is, a few one by one, more in a zip of what is below `root`."""

    archive: Path | None
    paths: list[Path]
    root: Path

    @property
    def description(self) -> str:
        return f"{self.archive}" if self.archive else f"{len(self.paths):,} picture(s)"

    @contextmanager
    def packed(self) -> Iterator[dict[str, Any]]:
        """What `Client.predict` is to be given."""
        if self.archive is not None or not self.paths:
            yield {"archive": self.archive}
        elif len(self.paths) <= MAX_UPLOADS:
            yield {"images": self.paths}
        else:
            with tempfile.TemporaryDirectory(prefix="jobyard-") as folder:
                archive = Path(folder) / "pictures.zip"
                with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, strict_timestamps=False) as target:
                    for path in self.paths:
                        target.write(path, path.relative_to(self.root))
                yield {"archive": archive}

    def named(self, rows: Iterator[Json]) -> Iterator[Json]:
        """The rows, each picture by its path; those of an archive by their names in there."""
        if self.archive is not None or not self.paths:
            return rows
        if len(self.paths) <= MAX_UPLOADS:
            return ({**row, "image": str(path)} for path, row in zip(self.paths, rows, strict=True))
        return ({**row, "image": str(self.root / row["image"])} for row in rows)


def _sent(images: tuple[Path, ...]) -> Sent:
    if len(images) == 1 and images[0].is_file() and images[0].name.lower().endswith(ARCHIVES):
        return Sent(images[0], [], Path())
    paths = list(_pictures(images))
    if len(paths) <= MAX_UPLOADS:
        return Sent(None, paths, Path())
    paths = sorted({path.absolute() for path in paths})
    return Sent(None, paths, Path(os.path.commonpath([path.parent for path in paths])))


def _pictures(images: tuple[Path, ...]) -> Iterator[Path]:
    for image in images:
        if not image.is_dir():
            yield image
            continue
        inside = sorted(path for path in image.rglob("*") if _is_picture(path.relative_to(image)))
        if not inside:
            raise click.UsageError(f"there are no pictures in {image}")
        yield from inside


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES and not any(part.startswith(".") for part in path.parts)


def _save_overlays(job: Job, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for row in job.predictions():
        if row["overlay"]:
            job.download(row["overlay"], folder / row["overlay"])
    click.echo(f"jobyard: the explained pictures are in {folder}", err=True)


def _line(row: Json) -> Json:
    line = {key: row[key] for key in ("image", "label", "probability")}
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
